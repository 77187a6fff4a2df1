//! When something happened in a cluster, by the clock of the run.
//!
//! The API stamps whole seconds, cut off, by the clocks of the cluster, which need not be ours. So:
//!
//! - A change that we see as it happens counts when it arrived, by our clock: that is also when the
//!   rest of the cluster hears of it. Its stamp counts only when it is slightly later, which says
//!   that our clock is behind.
//! - A change that we only find in a list counts by its stamp, but never later than now.

use std::time::Duration;

use crate::time::Time;

/// How much later than our clock a stamp may be and still be taken to be right. Further ahead,
/// the clocks disagree too much to mix them.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

/// How we learn of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// A watch showed it as it happened.
    Live,
    /// A list showed it, at any time after it happened.
    Listed,
}

/// When a change happened that carries a stamp of whole seconds: see the module's doc.
pub(super) fn when(stamp: Option<Time>, arrived: Time, learned: Learned) -> Time {
    match (stamp, learned) {
        (None, _) => arrived,
        (Some(stamp), Learned::Listed) => stamp.min(arrived),
        (Some(stamp), Learned::Live) if stamp.since(arrived) <= CLOCKS_DIFFER => stamp.max(arrived),
        (Some(_), Learned::Live) => arrived,
    }
}

/// A time of the API; its own library is another version of ours.
pub(super) fn time(stamp: k8s_openapi::jiff::Timestamp) -> Time {
    Time::from_millis(stamp.as_millisecond())
}
