//! Files that appear whole or not at all.
//!
//! The bytes go to a temporary file in the same directory, are forced to the disk, and only then
//! take the name. A reader, or a run that is killed, sees the old file or the new one.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use camino::Utf8Path;
use tempfile::Builder;

use super::RecordError;

/// Writes a file, replacing the one that was there.
pub(crate) fn write(path: &Utf8Path, bytes: &[u8]) -> Result<(), RecordError> {
    write_with(path, |file| file.write_all(bytes).map_err(RecordError::io("write", path)))
}

/// What a file is filled through.
pub(super) type Sheet<'f> = BufWriter<Remembering<'f>>;

/// A file that remembers what the system refused: the Parquet writer keeps only the words of it,
/// and a full disk would look like a broken file.
pub(super) struct Remembering<'f> {
    file: &'f File,
    refused: Option<io::Error>,
}

impl Remembering<'_> {
    fn remember<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            // The error itself goes to the writer; this is another one like it.
            let same = error.raw_os_error().map(io::Error::from_raw_os_error);
            self.refused = Some(same.unwrap_or_else(|| error.kind().into()));
        }
        result
    }
}

impl Write for Remembering<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.remember(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.remember(flushed)
    }
}

/// Writes a file by a function, replacing the one that was there when the function succeeds.
pub(super) fn write_with(
    path: &Utf8Path,
    fill: impl FnOnce(&mut Sheet<'_>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let dir = match path.parent() {
        Some(dir) if dir != "" => dir,
        Some(_) | None => Utf8Path::new("."),
    };
    let name = path.file_name().unwrap_or_default();
    let prefix = format!(".{name}.");
    let mut builder = Builder::new();
    // Hidden, and of no suffix that a query over the store would read.
    builder.prefix(&prefix).suffix(".tmp");
    readable(&mut builder);
    let temporary = builder.tempfile_in(dir).map_err(RecordError::io("write", path))?;
    let sheet = Remembering { file: temporary.as_file(), refused: None };
    let mut buffered = BufWriter::new(sheet);
    let filled = fill(&mut buffered);
    if filled.is_ok() {
        buffered.flush().map_err(RecordError::io("write", path))?;
    }
    // What is still in the buffer of a file that was refused is not wanted any more.
    let (sheet, _) = buffered.into_parts();
    match (filled, sheet.refused) {
        (Ok(()), _) => {}
        (Err(_), Some(refused)) => return Err(RecordError::io("write", path)(refused)),
        (Err(error), None) => return Err(error),
    }
    temporary.as_file().sync_all().map_err(RecordError::io("write", path))?;
    temporary.persist(path).map_err(|refused| RecordError::io("write", path)(refused.error))?;
    sync_dir(dir)
}

/// Gives a file that is whole another name in its directory.
pub(super) fn rename(from: &Utf8Path, to: &Utf8Path) -> Result<(), RecordError> {
    std::fs::rename(from, to).map_err(RecordError::io("write", to))?;
    sync_dir(to.parent().unwrap_or(Utf8Path::new(".")))
}

/// Temporary files are for their owner alone; reports and recordings are for whoever the user's
/// umask lets in.
#[cfg(unix)]
fn readable(builder: &mut Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable(_builder: &mut Builder<'_, '_>) {}

/// Forces a new name in a directory to the disk. Other systems have no way to ask for it.
#[cfg(unix)]
pub(super) fn sync_dir(dir: &Utf8Path) -> Result<(), RecordError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(RecordError::io("write", dir))
}

#[cfg(not(unix))]
pub(super) fn sync_dir(_dir: &Utf8Path) -> Result<(), RecordError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::testing::Scratch;

    #[test]
    fn a_file_is_replaced_whole() {
        let scratch = Scratch::new();
        let path = scratch.dir.join("report.md");
        write(&path, b"a longer first text").unwrap();
        write(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(scratch.files(), ["report.md"]);
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_the_old_file() {
        let scratch = Scratch::new();
        let path = scratch.dir.join("report.md");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half of the n").unwrap();
            Err(RecordError::Missing { path: path.clone() })
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(scratch.files(), ["report.md"]);
    }

    /// A disk that is always full, where there is one.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_system_refused_is_remembered() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut sheet = Remembering { file: &full, refused: None };
        let told = sheet.write(b"text").unwrap_err().kind();
        assert_eq!(told, io::ErrorKind::StorageFull);
        assert_eq!(sheet.refused.unwrap().kind(), told);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new();
        let (ours, plain) = (scratch.dir.join("ours"), scratch.dir.join("plain"));
        write(&ours, b"").unwrap();
        File::create(&plain).unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn a_refusal_names_the_file() {
        let refused = write(Utf8Path::new("/nowhere/at/all/report.md"), b"").unwrap_err();
        assert_eq!(refused.to_string(), "cannot write `/nowhere/at/all/report.md`");
    }
}
