//! Calls a decoder that may panic on bytes that nobody of ours wrote.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// Whether a panic of this thread is expected, and will be told as an error.
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}

/// What a function returns; none when it panicked, and then nothing is printed.
///
/// The function must not hand its work to another thread: a panic there would be caught too, but
/// would be printed first.
pub(super) fn catch<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SHIELDED.get() {
                loud(info);
            }
        }));
    });
    let outer = SHIELDED.replace(true);
    // What the function was working on is dropped with it: nobody sees it half changed.
    let caught = panic::catch_unwind(AssertUnwindSafe(read));
    SHIELDED.set(outer);
    caught.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_value() {
        let empty: &[u8] = &[];
        assert_eq!(catch(|| empty[empty.len()]), None);
        assert_eq!(catch(|| 1), Some(1));
        assert!(!SHIELDED.get());
    }
}
