import { render } from "preact";
import { App } from "./App.tsx";

const root = document.getElementById("page");
if (!root) throw new Error("The page has no element to render into");
render(<App />, root);
