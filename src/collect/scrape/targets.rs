//! The targets that are scraped now, whoever named them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::Url;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{groups::Found, open_files::OpenFiles, target::Target, worker::Scraper};
use crate::sample::Labels;

/// The most targets that are followed at once. Above it a Prometheus should be asked instead.
pub(super) const MAX_TARGETS: usize = 10_000;

/// How many problems of one discovery are said each by itself.
const SAID_EACH: usize = 20;

/// All that is scraped. Cheap to clone.
///
/// No two targets may have the same labels, since their samples would be one series. The same
/// target named by several discoveries is scraped once, until the last of them drops it.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    scraper: Scraper,
    tasks: TaskTracker,
    open_files: OpenFiles,
    slots: Arc<Mutex<HashMap<Labels, Slot>>>,
}

/// What has these labels now.
#[derive(Debug)]
struct Slot {
    url: Url,
    /// How many discoveries name it; none once it is only saying its last words.
    followers: usize,
    gone: CancellationToken,
    /// Cancelled when its last word is said.
    ended: CancellationToken,
}

/// A target is not followed, because of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(super) enum NotFollowed {
    #[error("another target has the same labels")]
    SameLabels,
    #[error("there are more than {MAX_TARGETS} targets")]
    TooMany,
    #[error(
        "this process may have {allowed} files open, which is enough for {room} targets; raise `ulimit -Hn`"
    )]
    OpenFiles { allowed: u64, room: usize },
}

impl Targets {
    pub(super) fn new(scraper: Scraper, tasks: TaskTracker, open_files: OpenFiles) -> Self {
        Self { scraper, tasks, open_files, slots: Arc::default() }
    }

    /// Begins to scrape a target, or goes on scraping it for one follower more.
    pub(super) fn follow(&self, target: &Target) -> Result<(), NotFollowed> {
        let mut slots = self.slots();
        let predecessor = match slots.get_mut(&target.labels) {
            Some(slot) if slot.followers == 0 => Some(slot.ended.clone()),
            Some(slot) if slot.url == target.url => {
                slot.followers += 1;
                return Ok(());
            }
            Some(_) => return Err(NotFollowed::SameLabels),
            None => {
                self.room_for(slots.len() + 1)?;
                None
            }
        };
        let (gone, ended) = (CancellationToken::new(), CancellationToken::new());
        let slot = Slot {
            url: target.url.clone(),
            followers: 1,
            gone: gone.clone(),
            ended: ended.clone(),
        };
        slots.insert(target.labels.clone(), slot);
        drop(slots);
        let (targets, target) = (self.clone(), target.clone());
        self.tasks.spawn(async move {
            if let Some(predecessor) = predecessor {
                // So that these samples come after its stale markers.
                predecessor.cancelled().await;
            }
            let labels = target.labels.clone();
            targets.scraper.clone().follow(target, gone.clone()).await;
            let mut slots = targets.slots();
            // Only now, and not if a successor waits in the slot already.
            if slots
                .get(&labels)
                .is_some_and(|slot| slot.followers == 0 && slot.gone.is_cancelled())
            {
                slots.remove(&labels);
            }
            ended.cancel();
        });
        Ok(())
    }

    /// Ends the scraping of a target for one of its followers.
    pub(super) fn release(&self, target: &Target) {
        let mut slots = self.slots();
        let slot = slots.get_mut(&target.labels).filter(|slot| slot.url == target.url);
        let Some(slot) = slot else { return };
        slot.followers = slot.followers.saturating_sub(1);
        if slot.followers == 0 {
            slot.gone.cancel();
        }
    }

    /// The addresses that are followed, sorted.
    #[cfg(test)]
    pub(super) fn followed(&self) -> Vec<String> {
        let slots = self.slots();
        let followed = slots.values().filter(|slot| slot.followers > 0);
        let mut addresses: Vec<String> = followed.map(|slot| slot.url.to_string()).collect();
        addresses.sort();
        addresses
    }

    fn room_for(&self, targets: usize) -> Result<(), NotFollowed> {
        let room = self.open_files.room();
        if targets > MAX_TARGETS {
            Err(NotFollowed::TooMany)
        } else if targets > room {
            Err(NotFollowed::OpenFiles { allowed: self.open_files.allowed(), room })
        } else {
            Ok(())
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Labels, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The targets that one discovery named last.
#[derive(Debug)]
pub(super) struct Named {
    targets: Targets,
    following: HashSet<Target>,
}

impl Named {
    pub(super) fn none(targets: Targets) -> Self {
        Self { targets, following: HashSet::new() }
    }

    /// Ends what is no longer named, begins what is new, and says what cannot be followed.
    pub(super) fn become_what_was(&mut self, found: &Found) -> Vec<String> {
        let named: HashSet<&Target> = found.targets.iter().collect();
        // First, so that what is new finds their labels free.
        self.following.retain(|target| {
            let stays = named.contains(target);
            if !stays {
                self.targets.release(target);
            }
            stays
        });
        let mut problems = found.problems.clone();
        let mut crowded: HashMap<NotFollowed, usize> = HashMap::new();
        for target in &found.targets {
            if self.following.contains(target) {
                continue;
            }
            match self.targets.follow(target) {
                Ok(()) => {
                    self.following.insert(target.clone());
                }
                Err(why @ NotFollowed::SameLabels) => {
                    problems.push(format!("target `{}`: {why}", target.name()));
                }
                Err(why @ (NotFollowed::TooMany | NotFollowed::OpenFiles { .. })) => {
                    *crowded.entry(why).or_default() += 1;
                }
            }
        }
        if problems.len() > SAID_EACH {
            let more = problems.len() - SAID_EACH;
            problems.truncate(SAID_EACH);
            problems.push(format!("{more} more cannot be scraped"));
        }
        let crowded = crowded.into_iter();
        problems.extend(crowded.map(|(why, count)| format!("{count} targets are left out: {why}")));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collect::scrape::testing, sample::Labels};

    fn found(addresses: impl IntoIterator<Item = String>) -> Found {
        let target = |address: String| {
            Target::new(Url::parse(&address).unwrap(), Labels::default()).unwrap()
        };
        Found { targets: addresses.into_iter().map(target).collect(), problems: Vec::new() }
    }

    #[tokio::test]
    async fn targets_beyond_the_open_files_are_left_out_and_said_in_one_sentence() {
        let (targets, _seen) = testing::followed_by_nobody(OpenFiles::of(16));
        let mut named = Named::none(targets.clone());
        let six = (1..=6).map(|n| format!("http://127.0.0.1:{n}/"));
        let problems = named.become_what_was(&found(six.clone()));
        assert_eq!(
            problems,
            [
                "2 targets are left out: this process may have 16 files open, which is enough for 4 targets; raise `ulimit -Hn`"
            ]
        );
        assert_eq!(targets.followed().len(), 4);
        // Those left out are followed as soon as the others have said their last words.
        assert!(named.become_what_was(&found([])).is_empty());
        while !targets.slots().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(named.become_what_was(&found(six.skip(2))).is_empty());
        assert_eq!(targets.followed().len(), 4);
    }

    #[tokio::test]
    async fn many_problems_are_counted_beyond_the_first() {
        let (targets, _seen) = testing::followed_by_nobody(OpenFiles::of(10_000));
        let mut named = Named::none(targets);
        let same = (0..100).map(|n| format!("http://127.0.0.1:1/?{n}"));
        let problems = named.become_what_was(&found(same));
        assert_eq!(problems.len(), SAID_EACH + 1);
        assert_eq!(problems[0], "target `http://127.0.0.1:1/`: another target has the same labels");
        assert_eq!(problems[SAID_EACH], "79 more cannot be scraped");
    }
}
