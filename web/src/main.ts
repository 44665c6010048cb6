// Owns the beginning of the page: the one script that `index.html` loads. Nothing else in it.

import { Shell } from "./shell.ts";

const root = document.getElementById("app");
if (root) void new Shell(root).start();
