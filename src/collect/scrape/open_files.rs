//! How many files this process may have open: every target that is scraped holds a connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::targets::MAX_TARGETS;

/// Files that are open for other reasons: the recording, the cluster, discoveries, the command
/// of a fault and whatever the libraries hold.
const OTHERS: u64 = 200;

/// What is asked for, where the system allows it: room for every target and for the connection
/// that replaces a broken one. Not all that it allows, since the programs that a fault starts
/// inherit it, and some walk over every file that they could have open.
const WANTED: u64 = OTHERS + 2 * MAX_TARGETS as u64;

/// The limit of this process.
#[derive(Clone, Copy, Debug)]
pub(in crate::collect) struct OpenFiles {
    allowed: u64,
}

impl OpenFiles {
    /// Raises the limit as far as it is allowed and useful. It is never lowered.
    pub(in crate::collect) fn raise() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let Some(current) = current else { return Self { allowed: u64::MAX } };
        let wanted = WANTED.min(maximum.unwrap_or(u64::MAX));
        let raised = wanted > current
            && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
        Self { allowed: if raised { wanted } else { current } }
    }

    pub(in crate::collect) fn allowed(self) -> u64 {
        self.allowed
    }

    /// How many targets can be scraped at once.
    pub(in crate::collect) fn room(self) -> usize {
        // Even a tiny limit is enough for a few.
        let room = self.allowed.saturating_sub(OTHERS).max(self.allowed / 4);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// A limit that a test makes up.
    #[cfg(test)]
    pub(in crate::collect) fn of(allowed: u64) -> Self {
        Self { allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_for_other_reasons_is_left_out() {
        for (allowed, room) in [(1024, 824), (256, 64), (20_200, 20_000)] {
            assert_eq!(OpenFiles::of(allowed).room(), room, "{allowed}");
        }
    }

    #[test]
    fn the_limit_is_raised_and_never_lowered() {
        let before = getrlimit(Resource::Nofile);
        let raised = OpenFiles::raise();
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.current.unwrap_or(u64::MAX), raised.allowed());
        assert!(raised.allowed() >= before.current.unwrap_or(u64::MAX));
        assert!(raised.allowed() >= WANTED.min(before.maximum.unwrap_or(u64::MAX)));
        assert_eq!(after.maximum, before.maximum);
    }
}
