import type { DialogProps } from "../Shell";
import { DeleteDialog } from "./DeleteDialog";
import { InstructionsDialog } from "./InstructionsDialog";
import { KeysDialog } from "./KeysDialog";
import { PasswordDialog } from "./PasswordDialog";

const DIALOGS = { instructions: InstructionsDialog, keys: KeysDialog, password: PasswordDialog, delete: DeleteDialog };

export default function Dialogs({ name, onClose }: DialogProps) {
  const Dialog = DIALOGS[name];
  return <Dialog onClose={onClose} />;
}
