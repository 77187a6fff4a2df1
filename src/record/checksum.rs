//! Whether the files of a finished run are still the ones that were recorded.
//!
//! A Parquet file of ours has no checksum inside: a flipped bit would be read as another number,
//! or make the library ask for all the memory there is. So `run.json` names the SHA-256 of each
//! file. An incomplete run has none: its files and its `run.json` are not of the same moment.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Manifest, RecordError, intake, layout, limits};

/// The checksum of each file, by its name.
pub(super) type Checksums = BTreeMap<String, String>;

/// `run.json` as it is written.
#[derive(Serialize)]
pub(super) struct Sealed<'a> {
    #[serde(flatten)]
    pub(super) manifest: &'a Manifest,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) checksums: &'a Checksums,
}

/// The part of `run.json` that is read here.
#[derive(Deserialize)]
pub(super) struct Seal {
    #[serde(default)]
    pub(super) checksums: Checksums,
}

/// The checksums of some files of a directory.
pub(super) fn of(dir: &Utf8Path, names: &[String]) -> Result<Checksums, RecordError> {
    names.iter().map(|name| Ok((name.clone(), sha256(&dir.join(name))?))).collect()
}

/// Fails on the first file that is gone or not what it was.
pub(super) fn verify(dir: &Utf8Path, checksums: &Checksums) -> Result<(), RecordError> {
    for (name, want) in checksums {
        // The names are the recording's: none may lead out of it.
        layout::check_name("file of a run", name)?;
        let path = dir.join(name);
        if sha256(&path)? != *want {
            return Err(RecordError::Changed { path });
        }
    }
    Ok(())
}

fn sha256(path: &Utf8Path) -> Result<String, RecordError> {
    struct Hasher(Sha256);
    impl io::Write for Hasher {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hasher = Hasher(Sha256::new());
    let file = intake::open(path, limits::PARQUET_BYTES)?;
    let file = file.ok_or_else(|| RecordError::Missing { path: path.to_owned() })?;
    let copied = io::copy(&mut file.take(limits::PARQUET_BYTES), &mut hasher);
    copied.map_err(RecordError::io("read", path))?;
    Ok(hasher.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
