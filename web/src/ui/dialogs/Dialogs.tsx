import type { DialogProps } from "../Shell";
import { InstructionsDialog } from "./InstructionsDialog";
import { KeysDialog } from "./KeysDialog";
import { PasswordDialog } from "./PasswordDialog";

const DIALOGS = { instructions: InstructionsDialog, keys: KeysDialog, password: PasswordDialog };

export default function Dialogs({ name, onClose }: DialogProps) {
  const Dialog = DIALOGS[name];
  return <Dialog onClose={onClose} />;
}
