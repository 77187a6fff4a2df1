//! Whether this machine can measure at all just now.

use std::{thread, time::Duration};

use homeostat::internals::clock::Clock;

use super::tool;

/// How long the look lasts.
const LOOK: Duration = Duration::from_secs(2);
/// How long a thread sleeps each time.
const NAP: Duration = Duration::from_millis(5);
/// A thread that is woken this late spoils the p99 of a lab that is held to 200 ms: a request
/// passes through four processes. Beside `stress-ng --cpu 2 --cpu-load 60`, on two processors,
/// the latest was 5 ms.
const TOO_LATE: Duration = Duration::from_millis(50);

/// Whether a test may measure latency now: a look at how late the machine wakes threads, while
/// nothing of ours runs. Where it is too late, the test says that it did not run.
///
/// The look comes before the test starts anything, so a slow program of ours is no excuse.
#[track_caller]
pub(crate) fn can_measure() -> bool {
    let latest = latest(thread::available_parallelism().map_or(1, usize::from));
    if latest > TOO_LATE {
        tool::too_busy(&format!("a thread was woken {latest:?} late"));
    }
    latest <= TOO_LATE
}

/// The latest that any of so many threads is woken after a nap.
fn latest(threads: usize) -> Duration {
    let nap = || {
        let clock = Clock::system();
        let end = clock.now().plus(LOOK);
        let mut latest = Duration::ZERO;
        while clock.now() < end {
            let before = clock.now();
            thread::sleep(NAP);
            latest = latest.max(clock.now().since(before).saturating_sub(NAP));
        }
        latest
    };
    thread::scope(|scope| {
        let naps: Vec<_> = (0..threads).map(|_| scope.spawn(nap)).collect();
        naps.into_iter().map(|nap| nap.join().unwrap()).max().unwrap_or_default()
    })
}
