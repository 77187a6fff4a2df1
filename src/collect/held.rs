//! How much of the memory the pages that are being read at once may take.
//!
//! A limit for each page is none for a thousand of them. So all together have one, too; but the
//! beginning of a page is always let in, so that targets with large pages, or some that trickle
//! them on purpose, take no sample from one with a small page.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What of a page is always let in.
const FREE: usize = 64 << 10;

/// What all pages may hold beyond that.
const ROOM: usize = 256 << 20;

/// What is held now.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicUsize);

/// What one page holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    held: Arc<Held>,
    bytes: usize,
}

impl Charge {
    pub(super) fn none(held: Arc<Held>) -> Self {
        Self { held, bytes: 0 }
    }

    /// Makes room for a page of so many bytes; false when there is none.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(FREE).saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let before = self.held.0.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        before + more <= ROOM
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_share_the_room_and_their_beginnings_are_free() {
        let held = Arc::new(Held::default());
        let [mut large, mut late, mut small] =
            std::array::from_fn(|_| Charge::none(Arc::clone(&held)));
        assert!(large.grow_to(FREE + 1) && large.grow_to(FREE + ROOM));
        assert!(small.grow_to(FREE));
        assert!(!late.grow_to(FREE + 1));
        drop(late);
        assert!(!large.grow_to(FREE + ROOM + 1));
        drop(large);
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
        assert!(small.grow_to(FREE + ROOM));
    }
}
