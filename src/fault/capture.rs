//! The output of a program: its beginning and its end, without secrets.

use crate::redact::Secrets;

/// The most bytes that are kept of the beginning, and as many of the end.
const HALF: usize = 32 * 1024;

/// Output as it comes in.
#[derive(Debug, Default)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: Vec<u8>,
    cut: usize,
}

impl Capture {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        // Twice as much as is kept, so that not every push moves the whole tail.
        if self.tail.len() > 2 * HALF {
            self.shorten();
        }
    }

    /// The output as text, with what was cut named in its place.
    pub(super) fn text(&mut self, secrets: &Secrets) -> String {
        self.shorten();
        if self.cut == 0 {
            return redacted(&[&self.head[..], &self.tail].concat(), secrets);
        }
        let head = &self.head[..self.head.len() - begun_at_end(&self.head, secrets)];
        let tail = &self.tail[ended_at_start(&self.tail, secrets)..];
        let note = format!("\n[{} bytes cut]\n", self.cut);
        [redacted(head, secrets), note, redacted(tail, secrets)].concat()
    }

    fn shorten(&mut self) {
        let more = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..more);
        self.cut += more;
    }
}

/// The bytes as text, with what is not UTF-8 replaced, and each secret, too.
fn redacted(bytes: &[u8], secrets: &Secrets) -> String {
    secrets.redact(&String::from_utf8_lossy(bytes))
}

/// How many bytes at the end may be the beginning of a secret that was cut.
fn begun_at_end(bytes: &[u8], secrets: &Secrets) -> usize {
    longest_part(secrets, |secret, part| bytes.ends_with(&secret[..part]))
}

/// How many bytes at the start may be the end of a secret that was cut.
fn ended_at_start(bytes: &[u8], secrets: &Secrets) -> usize {
    longest_part(secrets, |secret, part| bytes.starts_with(&secret[secret.len() - part..]))
}

fn longest_part(secrets: &Secrets, found: impl Fn(&[u8], usize) -> bool) -> usize {
    let longest = |secret: &str| (1..secret.len()).rev().find(|n| found(secret.as_bytes(), *n));
    secrets.values().filter_map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[&[u8]], secrets: &[&str]) -> String {
        let mut capture = Capture::default();
        for part in parts {
            capture.push(part);
        }
        let variable = |(place, value): (usize, &&str)| (format!("{place}_TOKEN"), (*value).into());
        capture.text(&Secrets::among(secrets.iter().enumerate().map(variable)))
    }

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(text(&[b"one\n", b"two \xff\n"], &[]), "one\ntwo \u{fffd}\n");
    }

    #[test]
    fn output_up_to_the_cap_is_kept_and_one_byte_more_is_cut() {
        let whole = vec![b'x'; 2 * HALF];
        assert_eq!(text(&[&whole], &[]).len(), 2 * HALF);
        let more = text(&[&whole, b"y"], &[]);
        assert!(more.contains("\n[1 bytes cut]\n") && more.ends_with("xy"));
    }

    #[test]
    fn of_long_output_beginning_and_end_are_kept() {
        let mut parts: Vec<&[u8]> = vec![b"first "];
        let middle = vec![b'.'; 10 * HALF];
        parts.extend([&middle[..], b" last"]);
        let text = text(&parts, &[]);
        assert!(text.starts_with("first ...") && text.ends_with("... last"));
        assert!(text.contains(&format!("[{} bytes cut]", 8 * HALF + 11)));
    }

    #[test]
    fn secrets_are_not_kept() {
        assert_eq!(
            text(&[b"token=s3", b"cret, s3cret-2"], &["s3cret", "s3cret-2", ""]),
            "token=[redacted], [redacted]"
        );
    }

    #[test]
    fn a_secret_that_is_cut_in_two_leaves_neither_half() {
        let mut long = vec![b'.'; HALF - 3];
        long.extend_from_slice(b"s3cret");
        long.extend(vec![b'.'; HALF]);
        // The head ends after `s3c`; the tail is what follows by 32 KiB.
        long.extend_from_slice(b"..");
        assert!(!text(&[&long], &["s3cret"]).contains("s3c"));
        let mut long = vec![b'.'; HALF + 3];
        long.extend_from_slice(b"s3cret");
        long.extend(vec![b'.'; HALF - 3]);
        assert!(!text(&[&long], &["s3cret"]).contains("ret"));
    }
}
