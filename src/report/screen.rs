//! A page for a terminal: the only way from a text to it.
//!
//! Whatever is put on it is made harmless here and cut to a length, so that no text from outside
//! moves the cursor, sets the title or floods the window. The only escapes are the colours that
//! are painted here.

use owo_colors::{AnsiColors, OwoColorize};
use unicode_width::UnicodeWidthStr as _;

use super::{
    Style,
    text::{cut, plain},
    view::{Answer, Tone},
};

/// Narrower than this, nothing can be laid out; such a terminal wraps by itself.
const NARROWEST: usize = 40;
/// Lines longer than this are hard to read, however wide the terminal is.
const WIDEST: usize = 110;

/// A page that is being written.
pub(super) struct Screen {
    text: String,
    style: Style,
    width: usize,
}

impl Screen {
    pub(super) fn new(style: Style) -> Self {
        Self { text: String::new(), style, width: style.width.clamp(NARROWEST, WIDEST) }
    }

    /// All that was written.
    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether there is room for one column only.
    pub(super) fn is_slim(&self) -> bool {
        self.width < 72
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// The first line: a word in its colour, and what it is about.
    pub(super) fn title(&mut self, word: &str, tone: Tone, name: &str) {
        let word = self.paint(word, tone, true);
        self.text += &format!("{word}  {}\n", safe(name));
    }

    pub(super) fn heading(&mut self, text: &str) {
        let text = safe(text);
        let text = if self.style.colour { text.bold().to_string() } else { text };
        self.text += &format!("\n{text}\n");
    }

    /// A line that is laid out already.
    pub(super) fn row(&mut self, text: &str) {
        self.text += &format!("{}\n", safe(text));
    }

    /// A text with something before its first line; its other lines hang below it.
    pub(super) fn item(&mut self, lead: &str, tone: Tone, text: &str) {
        let lead = safe(lead);
        let mut indent = lead.width();
        let mut lead = self.paint(&lead, tone, false);
        if indent * 2 > self.width {
            // No room beside it: the text goes below.
            self.text += &format!("{}\n", lead.trim_end());
            (indent, lead) = (6, " ".repeat(6));
        }
        self.hang(&lead, indent, text);
    }

    /// A question in a column of so many characters, or on a line of its own where the page is slim,
    /// and what is answered.
    pub(super) fn answer(&mut self, answer: &Answer, question: usize) {
        let slim = self.is_slim();
        let indent = if slim { 4 } else { question + 4 };
        let mut lead = format!("  {:<question$}", answer.question);
        if slim {
            self.row(&format!("  {}", answer.question));
            lead = "  ".to_owned();
        }
        self.hanging(&lead, (answer.tone.sign(), answer.tone), indent, &answer.text);
        for detail in &answer.details {
            self.item(&format!("{}- ", " ".repeat(indent)), Tone::Plain, detail);
        }
    }

    /// A text after a sign in its colour.
    pub(super) fn hanging(
        &mut self,
        lead: &str,
        (sign, tone): (&str, Tone),
        indent: usize,
        text: &str,
    ) {
        let sign = self.paint(sign, tone, true);
        self.hang(&format!("{}{sign} ", safe(lead)), indent, text);
    }

    /// A text, all its lines indented alike.
    pub(super) fn wrapped(&mut self, indent: &'static str, text: &str) {
        self.hang(indent, indent.len(), text);
    }

    fn hang(&mut self, lead: &str, indent: usize, text: &str) {
        let lines = wrap(&safe(text), self.width.saturating_sub(indent));
        for (place, line) in lines.into_iter().enumerate() {
            match place {
                0 => self.text += &format!("{lead}{line}\n"),
                _ => self.text += &format!("{}{line}\n", " ".repeat(indent)),
            }
        }
    }

    fn paint(&self, text: &str, tone: Tone, bold: bool) -> String {
        let text = safe(text);
        let colour = match tone {
            Tone::Good => AnsiColors::Green,
            Tone::Bad => AnsiColors::Red,
            Tone::Unsure => AnsiColors::Yellow,
            Tone::Plain => return text,
        };
        match (self.style.colour, bold) {
            (false, _) => text,
            (true, false) => text.color(colour).to_string(),
            (true, true) => text.color(colour).bold().to_string(),
        }
    }
}

fn safe(text: &str) -> String {
    plain(&cut(text))
}

/// The text in lines of at most `width` columns; a longer word keeps a line to itself.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in words(text) {
        let length = word.width();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        let line = lines.last_mut().expect("there is always a line");
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(&word);
        used += length;
    }
    lines
}

/// The words of a text, a number and its unit being one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let unit = word.trim_end_matches([',', ';', '.', ':', ')']);
        let is_unit = ["%", "s", "ms", "µs", "min", "h", "d", "B", "KiB", "MiB", "GiB"];
        match words.last_mut() {
            Some(last) if is_unit.contains(&unit) && last.ends_with(|c: char| c.is_numeric()) => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_put_on_it_drives_nothing() {
        let mut page = Screen::new(Style { colour: true, width: 80 });
        let bad = "\x1b]0;title\x07\u{9b}31m\r\u{202e}";
        page.title(bad, Tone::Good, bad);
        page.heading(bad);
        page.row(bad);
        page.item(bad, Tone::Bad, bad);
        page.hanging(bad, (bad, Tone::Unsure), 4, bad);
        page.wrapped("  ", bad);
        let text = anstream::adapter::strip_str(&page.finish()).to_string();
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(text.matches('␛').count(), 10, "nothing of it is taken for a colour: {text}");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(wrap("at most 200 ms, or 5 %.", 9), ["at most", "200 ms,", "or 5 %."]);
    }

    #[test]
    fn a_wide_letter_takes_two_columns() {
        assert_eq!(wrap("注文 支払 在庫", 9), ["注文 支払", "在庫"]);
        assert_eq!(wrap("注文 支払 在庫", 8), ["注文", "支払", "在庫"]);
    }
}
