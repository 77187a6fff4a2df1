//! Where log lines go: to a writer, without secrets.

use std::{
    io::{self, Write},
    sync::Arc,
};

use crate::redact::Secrets;

/// A writer that no secret gets through. An event is one write, so no secret is cut in two.
pub(super) struct Redacting<W> {
    to: W,
    secrets: Arc<Secrets>,
}

impl<W> Redacting<W> {
    pub(super) fn new(to: W, secrets: &Arc<Secrets>) -> Self {
        Self { to, secrets: Arc::clone(secrets) }
    }
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = self.secrets.redact(&String::from_utf8_lossy(bytes));
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_has_no_secret() {
        let secrets = Secrets::among([("A_TOKEN".to_owned(), "s3cret".to_owned())]);
        let mut log = Redacting::new(Vec::new(), &Arc::new(secrets));
        log.write_all(b"WARN refused token=s3cret\n").unwrap();
        assert_eq!(log.to, b"WARN refused token=[redacted]\n");
    }
}
