//! Memory that a pod loses: really taken, and never given back.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

/// Between two losses.
const EVERY: Duration = Duration::from_millis(100);

/// One mebibyte.
const MEBIBYTE: f64 = 1_048_576.0;

/// Mebibytes after which a request takes twice as long: as a garbage collector with ever more to
/// look through.
const DOUBLES: f64 = 32.0;

/// Mebibytes that a pod can lose until it dies of it.
const LIMIT: f64 = 256.0;

/// What has been lost, and how fast more is.
pub(super) struct Leak {
    /// Mebibytes each second.
    rate: watch::Sender<f64>,
    lost: Mutex<Vec<Vec<u8>>>,
}

impl Default for Leak {
    fn default() -> Self {
        Self { rate: watch::Sender::new(0.0), lost: Mutex::default() }
    }
}

impl Leak {
    /// Loses so many mebibytes each second from now on.
    pub(super) fn set(&self, rate: f64) {
        self.rate.send_replace(rate);
    }

    /// How many times as long a request takes for what is lost.
    pub(super) fn slows(&self) -> f64 {
        1.0 + self.mebibytes() / DOUBLES
    }

    /// Loses memory until there is none left.
    pub(super) async fn grow(&self) {
        self.grow_to(LIMIT).await;
    }

    async fn grow_to(&self, limit: f64) {
        let mut rate = self.rate.subscribe();
        while self.mebibytes() < limit {
            if rate.wait_for(|rate| *rate > 0.0).await.is_err() {
                return std::future::pending().await;
            }
            let bytes = *rate.borrow() * MEBIBYTE * EVERY.as_secs_f64();
            // Written to, so that it is memory and not a promise of the system's.
            self.lock().push(vec![0xA5; bytes as usize]);
            sleep(EVERY).await;
        }
    }

    fn mebibytes(&self) -> f64 {
        self.lock().iter().map(|lost| lost.len() as f64).sum::<f64>() / MEBIBYTE
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of memory that this process has, where the system says so.
pub(super) fn resident() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leak_slows_requests_down_and_ends() {
        let leak = Leak::default();
        assert!((leak.slows() - 1.0).abs() < f64::EPSILON);
        leak.set(80.0);
        leak.grow_to(16.0).await;
        assert!((leak.slows() - 1.5).abs() < 0.01, "{}", leak.slows());
    }

    #[test]
    fn the_memory_of_this_process_is_known() {
        assert!(resident().is_none_or(|bytes| bytes > 1_000_000));
    }
}
