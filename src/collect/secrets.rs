//! Files that the collector is shown and that are nobody else's business: tokens, certificates.

use std::io::Read;

use fs_err::File;
use reqwest::{Certificate, header::HeaderValue};

use super::error::CollectError;
use crate::causes::with_causes;

/// More than any token or bundle of certificates has.
const SIZE_LIMIT: u64 = 4 << 20;

/// The certificates of a PEM file; it must have at least one.
pub(super) fn certificates(path: &str) -> Result<Vec<Certificate>, CollectError> {
    let read = read(path).and_then(|text| {
        let found = Certificate::from_pem_bundle(text.as_bytes());
        let found = found.map_err(|error| with_causes(&error))?;
        if found.is_empty() { Err("it has no PEM certificate".to_owned()) } else { Ok(found) }
    });
    read.map_err(|why| CollectError::File { key: "ca_file", path: path.to_owned(), why })
}

/// The token or password of a file that a key names, without the blanks around it. It is read again
/// each time it is needed, because short-lived tokens are replaced while a run goes on.
pub(super) fn token(key: &'static str, path: &str) -> Result<String, CollectError> {
    let read = read(path).and_then(|text| {
        let token = text.trim();
        if token.is_empty() {
            return Err("it is empty".to_owned());
        }
        // The error of the library would not say more, and must not say the token.
        match HeaderValue::from_str(token) {
            Ok(_) => Ok(token.to_owned()),
            Err(_) => Err("it has letters that no token has".to_owned()),
        }
    });
    read.map_err(|why| CollectError::File { key, path: path.to_owned(), why })
}

fn read(path: &str) -> Result<String, String> {
    let metadata = fs_err::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(SIZE_LIMIT).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(path: &str) -> Result<String, CollectError> {
        token("bearer_token_file", path)
    }

    #[track_caller]
    fn check<T: std::fmt::Debug>(
        read: fn(&str) -> Result<T, CollectError>,
        text: &[u8],
        why: &str,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs_err::write(&path, text).unwrap();
        let error = read(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.ends_with(why), "{error}");
    }

    #[test]
    fn a_file_that_does_not_hold_what_it_should_is_refused_without_showing_it() {
        check(bearer, b" \n", "it is empty");
        check(bearer, b"a\nb", "it has letters that no token has");
        check(bearer, b"\xff", "stream did not contain valid UTF-8");
        check(certificates, b"hello", "it has no PEM certificate");
        assert!(bearer("/nowhere").is_err() && certificates("/").is_err());
    }

    #[test]
    fn a_token_is_what_stands_between_the_blanks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs_err::write(&path, b" a.b-c \n").unwrap();
        assert_eq!(bearer(path.to_str().unwrap()).unwrap(), "a.b-c");
    }
}
