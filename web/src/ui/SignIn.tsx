import { useEffect, useState } from "react";
import type { SyntheticEvent } from "react";
import { useApp, useAppState } from "./context";
import { Logo } from "./Logo";

export function SignIn() {
  const { session } = useApp();
  const open = useAppState((state) => state.registration) === "open";
  const [registering, setRegistering] = useState(false);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    document.title = "Sign in · Tertulia";
  }, []);

  async function submit(event: SyntheticEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await (registering ? session.register(email.trim(), password) : session.signIn(email.trim(), password));
    } catch (reason) {
      setError(reason instanceof Error ? reason.message : String(reason));
      setBusy(false);
    }
  }

  return (
    <main className="splash">
      <form className="card signin" onSubmit={(event) => void submit(event)}>
        <Logo />
        <h1>{registering ? "Create your account" : "Welcome back"}</h1>
        <label className="field">
          <span>Email</span>
          <input
            type="email"
            name="email"
            autoComplete="username"
            required
            autoFocus
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            data-testid="signin-email"
          />
        </label>
        <label className="field">
          <span>Password</span>
          <input
            type="password"
            name="password"
            autoComplete={registering ? "new-password" : "current-password"}
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            data-testid="signin-password"
          />
        </label>
        {error !== null && (
          <p className="form-error" role="alert" data-testid="signin-error">
            {error}
          </p>
        )}
        <button type="submit" className="button primary wide" disabled={busy} data-testid="signin-submit">
          {registering ? "Create account" : "Sign in"}
        </button>
        {open ? (
          <button
            type="button"
            className="button quiet wide"
            data-testid="register-toggle"
            onClick={() => {
              setRegistering(!registering);
              setError(null);
            }}
          >
            {registering ? "I have an account: sign in" : "New here? Create an account"}
          </button>
        ) : (
          <p className="faint center" data-testid="registration-closed">
            Registration is closed. Ask whoever runs this server for an account.
          </p>
        )}
      </form>
    </main>
  );
}
