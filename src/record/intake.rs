//! Opens the files of a run, which a stranger may have made.
//!
//! Only a regular file that lies in the directory itself is read: a symbolic link could lead
//! anywhere, and a pipe or a device would never end. Asked of the file that was opened, so that
//! nobody can put another one in its place between the question and the reading.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
};

use camino::Utf8Path;

use super::RecordError;

/// Opens a file of at most so many bytes; none when there is no such file.
pub(super) fn open(path: &Utf8Path, most: u64) -> Result<Option<File>, RecordError> {
    let file = match open_plainly(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_link(&error) => {
            return Err(RecordError::NotAFile { path: path.to_owned(), what: "a symbolic link" });
        }
        Err(error) => return Err(RecordError::io("read", path)(error)),
    };
    let found = file.metadata().map_err(RecordError::io("read", path))?;
    if !found.is_file() {
        return Err(RecordError::NotAFile { path: path.to_owned(), what: "no regular file" });
    }
    if found.len() > most {
        let found = found.len();
        return Err(RecordError::TooMuch { path: path.to_owned(), what: "bytes", found, most });
    }
    Ok(Some(file))
}

/// The text of a file of at most so many bytes; none when there is no such file.
pub(crate) fn read_text(path: &Utf8Path, most: u64) -> Result<Option<String>, RecordError> {
    let Some(file) = open(path, most)? else { return Ok(None) };
    let mut text = String::new();
    // It may grow while it is read.
    file.take(most).read_to_string(&mut text).map_err(RecordError::io("read", path))?;
    Ok(Some(text))
}

/// Opens without following a link, and without waiting for whoever writes to a pipe.
#[cfg(unix)]
fn open_plainly(path: &Utf8Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(unix)]
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(not(unix))]
fn open_plainly(path: &Utf8Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    OpenOptions::new().read(true).open(path)
}

#[cfg(not(unix))]
fn is_link(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::record::testing::Scratch;

    #[track_caller]
    fn check(make: impl FnOnce(&Utf8Path), want: &str) {
        let scratch = Scratch::new();
        let path = scratch.dir.join("run.json");
        make(&path);
        let error = read_text(&path, 10).expect_err("it is refused").to_string();
        assert_eq!(error.replace(scratch.dir.as_str(), "RUN"), want);
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let link = |path: &Utf8Path| symlink("/etc/hostname", path).unwrap();
        check(link, "`RUN/run.json` is a symbolic link, and is not read");
        let nowhere = |path: &Utf8Path| symlink("/nowhere", path).unwrap();
        check(nowhere, "`RUN/run.json` is a symbolic link, and is not read");
        let dir = |path: &Utf8Path| std::fs::create_dir(path).unwrap();
        check(dir, "`RUN/run.json` is no regular file, and is not read");
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let pipe = |path: &Utf8Path| {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        };
        check(pipe, "`RUN/run.json` is no regular file, and is not read");
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        let scratch = Scratch::new();
        let path = scratch.dir.join("run.json");
        crate::record::atomic::write(&path, b"0123456789").unwrap();
        assert_eq!(read_text(&path, 10).unwrap().as_deref(), Some("0123456789"));
        assert_eq!(
            read_text(&path, 9).unwrap_err().to_string().replace(scratch.dir.as_str(), "RUN"),
            "`RUN/run.json` has 10 bytes, and at most 9 are read"
        );
        assert_eq!(read_text(&scratch.dir.join("none"), 9).unwrap(), None);
    }
}
