import { useAppState } from "./context";
import { Shell } from "./Shell";
import { SignIn } from "./SignIn";
import { Toasts } from "./Toasts";

export function Root() {
  const phase = useAppState((state) => state.phase);
  return (
    <>
      {phase === "signed-in" && <Shell />}
      {phase === "signed-out" && <SignIn />}
      {phase === "unreachable" && (
        <main className="splash" role="status" data-testid="unreachable">
          <p>The server cannot be reached.</p>
          <p className="faint">This page tries again by itself.</p>
        </main>
      )}
      <Toasts />
    </>
  );
}
