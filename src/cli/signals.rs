//! What a signal means to a run: the first stops it in order, the second in a hurry, the third
//! ends the program where it stands.

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use crate::experiment::{Stop, Urgency};

/// Listens for Ctrl-C, SIGTERM and SIGHUP from now on; `stopping` is said at the first of them.
pub(super) fn listen(stopping: &'static str) -> anyhow::Result<Stop> {
    let stop = Stop::default();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signal = signal(kind).context("listening for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                heed(&stop, stopping);
            }
        });
    }
    // A file that grows beyond what `ulimit -f` allows is to be an error of that write, with its
    // name, and not the end of the program: whoever catches the signal gets the error.
    let mut too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))
        .context("listening for the limit of file sizes")?;
    tokio::spawn(async move { while too_large.recv().await.is_some() {} });
    Ok(stop)
}

#[expect(clippy::exit, reason = "who asks three times does not want to be reasoned with")]
fn heed(stop: &Stop, stopping: &str) {
    match stop.ask() {
        Urgency::Orderly => {
            anstream::eprintln!("{stopping} (a second signal hurries, a third leaves at once)")
        }
        Urgency::Hurried => anstream::eprintln!(
            "hurrying: nothing more is waited for (a third signal leaves at once)"
        ),
        Urgency::AtOnce => {
            anstream::eprintln!("leaving at once");
            std::process::exit(Exit::Interrupted.code().into());
        }
    }
}
