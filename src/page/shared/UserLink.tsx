/** Opens the panel of this user. */
export function UserLink({ clerkId }: { clerkId: string }) {
  return (
    <a class="id user-link" href={`#${clerkId}`}>
      {clerkId}
    </a>
  );
}
