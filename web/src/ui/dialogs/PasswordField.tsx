import { ApiError } from "../../net/http";

interface Props {
  label: string;
  /** What the browser may fill in. */
  fills: "current-password" | "new-password";
  value: string;
  testId: string;
  onChange: (value: string) => void;
}

export function PasswordField({ label, fills, value, testId, onChange }: Props) {
  return (
    <label className="field">
      <span>{label}</span>
      <input
        type="password"
        autoComplete={fills}
        required
        value={value}
        data-testid={testId}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

/** As `attempt`, but rejects with `said` where the server refused the password. */
export async function withPassword(attempt: Promise<void>, said: string): Promise<void> {
  try {
    await attempt;
  } catch (reason) {
    const wrong = reason instanceof ApiError && reason.code === "invalid_credentials";
    throw wrong ? new Error(said) : reason;
  }
}
