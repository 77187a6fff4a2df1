//! What can go wrong with a run on disk.

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use polars::prelude::PolarsError;

use super::FORMAT_VERSION;
use crate::frame::FrameError;

/// A run could not be written, found or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried: `create`, `write`, `read`, …
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no room left.
    #[error("cannot {action} `{path}`: {} of {} are free there", bytes(*free), bytes(*size))]
    Full {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// How many bytes of the disk were free for us.
        free: u64,
        /// How many bytes it has.
        size: u64,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is such a run already.
    #[error("`{dir}` exists already")]
    Exists {
        /// The directory of the run.
        dir: Utf8PathBuf,
    },
    /// A name would not stay inside the store.
    #[error("`{name}` cannot be a {what}: it becomes the name of a directory")]
    BadName {
        /// `hypothesis name` or `run id`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is no run at a path.
    #[error("`{path}` is not a run: it has no `run.json`")]
    NotARun {
        /// The path.
        path: Utf8PathBuf,
    },
    /// No run of the store has this id.
    #[error("no run in `{store}` has an id that starts with `{run}`{}", listed(candidates))]
    NoSuchRun {
        /// The store.
        store: Utf8PathBuf,
        /// What was looked for.
        run: String,
        /// The newest runs of the store.
        candidates: Vec<String>,
    },
    /// More than one run of the store has an id that starts like this.
    #[error("`{run}` fits more than one run{}", listed(candidates))]
    Ambiguous {
        /// What was looked for.
        run: String,
        /// The newest of those that fit.
        candidates: Vec<String>,
    },
    /// A later program wrote it.
    #[error("`{path}` has format {found}, and this program reads formats up to {FORMAT_VERSION}")]
    Newer {
        /// The file.
        path: Utf8PathBuf,
        /// Its format.
        found: u32,
    },
    /// What stands there is not read: a link, a pipe, a device, a directory.
    #[error("`{path}` is {what}, and is not read")]
    NotAFile {
        /// What was to be read.
        path: Utf8PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file has more than is read (see `limits`).
    #[error("`{path}` has {found} {what}, and at most {most} are read")]
    TooMuch {
        /// The file.
        path: Utf8PathBuf,
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: u64,
        /// How many are read.
        most: u64,
    },
    /// `run.json` says what no run can have been.
    #[error("`{path}` is not plausible: {what}")]
    Implausible {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file is damaged in a way that the library does not survive.
    #[error("`{path}` is broken: it cannot be decoded")]
    Undecodable {
        /// The file.
        path: Utf8PathBuf,
    },
    /// Reading a run takes its reader down, or asks for more than a run can need.
    #[error("`{dir}` cannot be read: its reader {how}")]
    Fatal {
        /// The directory of the run.
        dir: Utf8PathBuf,
        /// How the reader ended.
        how: String,
    },
    /// `run.json` cannot be understood.
    #[error("`{path}` is broken")]
    Manifest {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A file is not Parquet, or is damaged.
    #[error("`{path}` is broken")]
    Parquet {
        /// The file.
        path: Utf8PathBuf,
        /// What was found.
        #[source]
        source: PolarsError,
    },
    /// A file is Parquet, but not the table that it should be.
    #[error("`{path}` is broken")]
    Table {
        /// The file.
        path: Utf8PathBuf,
        /// What is missing or wrong.
        #[source]
        source: FrameError,
    },
    /// A file of a finished run is not the one that was recorded.
    #[error("`{path}` is not as it was recorded: its checksum is another one")]
    Changed {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A file that must be there is not.
    #[error("`{path}` is missing")]
    Missing {
        /// The file.
        path: Utf8PathBuf,
    },
}

impl RecordError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { action, source, .. } => io_hint(action, source.kind()),
            Self::Full { .. } => Some(
                "make room, or choose a store on another disk with `--store`; what was saved before is whole, and `homeostat judge` judges it",
            ),
            Self::Exists { .. } => {
                Some("a recording is never overwritten; pin another run id, or none")
            }
            Self::BadName { .. } => Some("use letters, digits, `.`, `_` and `-`"),
            Self::NotARun { .. } => {
                Some("give the directory of a run, `…/hypothesis=NAME/run=ID`, or the run's id")
            }
            Self::NoSuchRun { .. } => Some("name the store with `--store` when it is another one"),
            Self::Ambiguous { .. } => Some("give more of the id"),
            Self::Newer { .. } => Some("read it with the version of homeostat that wrote it"),
            Self::NotAFile { .. } => {
                Some("a run is read from plain files in its own directory; copy what is linked")
            }
            Self::TooMuch { .. } | Self::Implausible { .. } => Some(
                "no run of homeostat is like this; `docs/format.md` has the limits of what is read",
            ),
            Self::Undecodable { .. }
            | Self::Fatal { .. }
            | Self::Manifest { .. }
            | Self::Parquet { .. }
            | Self::Table { .. }
            | Self::Changed { .. }
            | Self::Missing { .. } => {
                Some("the recording was changed after it was written; restore it from a copy")
            }
        }
    }

    /// For `map_err`: the file system refused to do `action` with `path`.
    pub(crate) fn io(action: &'static str, path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::refused(action, path, source)
    }

    /// For `map_err`: `path` is not good Parquet. What the system refused stays a refusal.
    pub(super) fn parquet(
        action: &'static str,
        path: &Utf8Path,
    ) -> impl FnOnce(PolarsError) -> Self {
        let path = path.to_owned();
        move |source| {
            if let PolarsError::IO { error, .. } = &source {
                // polars shares its errors; the kind and the words are what can be taken along.
                let source = std::io::Error::new(error.kind(), error.to_string());
                return Self::refused(action, path, source);
            }
            Self::Parquet { path, source }
        }
    }

    fn refused(action: &'static str, path: Utf8PathBuf, source: std::io::Error) -> Self {
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            && let Some((free, size)) = room(&path)
        {
            return Self::Full { action, path, free, size, source };
        }
        Self::Io { action, path, source }
    }

    /// For `map_err`: `path` is not the table that it should be.
    pub(super) fn table(path: &Utf8Path) -> impl FnOnce(FrameError) -> Self {
        let path = path.to_owned();
        move |source| Self::Table { path, source }
    }
}

/// For most errors the system's own words say all there is to say.
fn io_hint(action: &str, kind: ErrorKind) -> Option<&'static str> {
    let is = |kinds: &[ErrorKind]| kinds.contains(&kind);
    if action == "read" {
        None
    } else if is(&[ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem]) {
        Some("choose a store that you can write to with `--store`")
    } else if is(&[ErrorKind::NotADirectory, ErrorKind::AlreadyExists]) {
        Some("a file is in the way of that directory; choose another store with `--store`")
    } else if is(&[ErrorKind::StorageFull, ErrorKind::QuotaExceeded]) {
        Some("the disk is full; what was saved before is whole and can still be judged")
    } else if is(&[ErrorKind::FileTooLarge]) {
        Some(
            "a limit of file sizes was reached (`ulimit -f` shows it); what was saved before is whole and can still be judged",
        )
    } else {
        None
    }
}

/// The free bytes and all bytes of the disk that a file is, or would be, on.
fn room(path: &Utf8Path) -> Option<(u64, u64)> {
    let disk = path.ancestors().find_map(|dir| rustix::fs::statvfs(dir.as_std_path()).ok())?;
    Some((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
}

/// `4 KiB`: whole units, rounded down.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let place = (0..UNITS.len() - 1).find(|place| count >> (10 * place) < 1024);
    let place = place.unwrap_or(UNITS.len() - 1);
    format!("{} {}", count >> (10 * place), UNITS[place])
}

fn listed(candidates: &[String]) -> String {
    if candidates.is_empty() {
        return "; it has no runs".to_owned();
    }
    candidates.iter().fold(":".to_owned(), |text, one| format!("{text}\n  {one}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_whole_units() {
        let said = [0, 1023, 1024, 2_097_151, 2_097_152, u64::MAX].map(bytes);
        assert_eq!(said, ["0 B", "1023 B", "1 KiB", "1 MiB", "2 MiB", "16777215 TiB"]);
    }

    #[test]
    fn a_full_disk_is_named_with_its_room_and_a_way_out() {
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        // The file is not there, and its directory is not either.
        let error = RecordError::io("write", Utf8Path::new("/nowhere/at/all"))(full());
        let said = error.to_string();
        assert!(said.starts_with("cannot write `/nowhere/at/all`: "), "{said}");
        assert!(said.ends_with(" are free there"), "{said}");
        assert!(error.hint().unwrap().contains("--store"));
    }
}
