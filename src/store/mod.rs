//! Many runs in one directory: how one is found, who disturbs what in it just now, and what was
//! left behind.
//!
//! What one run is on disk is said in [`record`](crate::record).

mod find;
mod lock;
mod pending;

pub use find::find;
pub use lock::{Claim, Holder, Lock, LockError};
pub use pending::{Change, PendingRun, StepState, UNDO_VERSION, UndoJournal, UndoStep, pending};
