import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/app";
import { AppContext } from "./ui/context";
import { Crash } from "./ui/Crash";
import { Root } from "./ui/Root";
import "./styles/index.css";

const app = new App();
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <AppContext value={app}>
      <Crash>
        <Root />
      </Crash>
    </AppContext>
  </StrictMode>,
);
void app.start();
