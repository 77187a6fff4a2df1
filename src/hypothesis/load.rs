//! Reads the text of a hypothesis. The only file of this module that touches the world.

use std::{
    fs::File,
    io::{self, Read},
};

use camino::{Utf8Path, Utf8PathBuf};

/// The most bytes that a hypothesis may have: far more than anyone writes by hand.
pub const SIZE_LIMIT: u64 = 1024 * 1024;

/// Why a file cannot be read as a hypothesis.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is nothing of that name.
    #[error("there is no file `{0}`")]
    Missing(Utf8PathBuf),
    /// It is a directory, a pipe, a device.
    #[error("`{0}` is not a regular file")]
    NotAFile(Utf8PathBuf),
    /// It is larger than [`SIZE_LIMIT`].
    #[error("`{path}` has more than {SIZE_LIMIT} bytes, the most a hypothesis may have")]
    TooLarge {
        /// The file.
        path: Utf8PathBuf,
    },
    /// It is not UTF-8.
    #[error("`{path}` is not UTF-8: byte {offset} cannot be read")]
    NotUtf8 {
        /// The file.
        path: Utf8PathBuf,
        /// Where the first bad byte is.
        offset: usize,
    },
    /// The system refused.
    #[error("cannot read `{path}`")]
    Refused {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The text of the file, without a byte order mark.
pub fn read(path: &Utf8Path) -> Result<String, LoadError> {
    let refused = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            LoadError::Missing(path.to_owned())
        } else {
            LoadError::Refused { path: path.to_owned(), source }
        }
    };
    // Asked before it is opened: opening a pipe would wait for a writer.
    if !path.metadata().map_err(refused)?.is_file() {
        return Err(LoadError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(refused)?
        .take(SIZE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|error| LoadError::NotUtf8 {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: Option<&[u8]>, want: Result<&str, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("a.yaml")).unwrap();
        if let Some(bytes) = bytes {
            fs_err::write(&path, bytes).unwrap();
        }
        let got = read(&path).map_err(|e| e.to_string().replace(path.as_str(), "a.yaml"));
        assert_eq!(got.as_deref().map_err(String::as_str), want);
    }

    #[test]
    fn a_text_is_read_up_to_the_limit() {
        check(Some(b"name: x\n"), Ok("name: x\n"));
        check(Some("\u{feff}name: x\n".as_bytes()), Ok("name: x\n"));
        let full = vec![b' '; 1024 * 1024];
        check(Some(&full), Ok(std::str::from_utf8(&full).unwrap()));
        let large = [&full[..], b" "].concat();
        let why = "`a.yaml` has more than 1048576 bytes, the most a hypothesis may have";
        check(Some(&large), Err(why));
    }

    #[test]
    fn what_is_no_text_file_is_refused_by_name() {
        check(None, Err("there is no file `a.yaml`"));
        check(Some(b"name: \xff\n"), Err("`a.yaml` is not UTF-8: byte 6 cannot be read"));
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        assert!(matches!(read(path), Err(LoadError::NotAFile(_))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_or_pipe_is_not_opened() {
        assert!(matches!(read(Utf8Path::new("/dev/zero")), Err(LoadError::NotAFile(_))));
    }

    #[test]
    fn every_hypothesis_of_the_repository_is_sound() {
        let dir = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/hypotheses"));
        let paths = dir.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
        let examples: Vec<_> = paths.filter(|path| path.extension() == Some("yaml")).collect();
        assert!(examples.len() >= 3, "{examples:?}");
        for path in examples {
            let reading = crate::hypothesis::Reading::ToRun(&|_| None);
            let checked = crate::hypothesis::check(&read(&path).unwrap(), path.as_str(), reading);
            assert!(checked.problems.is_empty(), "{}", checked.problems.render(false));
            let hypothesis = checked.hypothesis.unwrap();
            assert_eq!(Some(hypothesis.name.as_str()), path.file_stem());
        }
    }
}
