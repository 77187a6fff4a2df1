//! Many runs in one directory: how one is found, who disturbs what in it just now, and what was
//! left behind.
//!
//! What one run is on disk is said in [`record`](crate::record).

mod find;
mod lock;
mod pending;

pub(crate) use find::find;
pub(crate) use lock::{Claim, Holder, Lock, LockError};
pub(crate) use pending::{Change, StepState, UndoJournal};
