//! What others write: hostile text in a recording, and recordings that are hostile themselves.

mod poison;
mod text;
mod untrusted;
