//! Words of a file, or of the system, on their way into a message: one line, of a sane length,
//! and nothing in it that a terminal or a log would take for an order.

/// The most characters of a message or hint: a key may be as long as a file.
const LONGEST: usize = 400;

/// The text with what cannot be seen spelled out, cut in the middle when it is too long.
pub(super) fn printable(text: &str) -> String {
    let seen: String = if text.chars().any(is_unseen) {
        text.chars().flat_map(spelled_out).collect()
    } else {
        text.to_owned()
    };
    cut(seen)
}

/// Whether a character moves the cursor, turns the text around, or cannot be seen at all.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
            | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

fn spelled_out(c: char) -> Box<dyn Iterator<Item = char>> {
    match c {
        '\n' | '\r' | '\t' => Box::new(c.escape_default()),
        c if is_unseen(c) => Box::new(c.escape_unicode()),
        c => Box::new(std::iter::once(c)),
    }
}

/// Beginning and end: the thing that is spoken of stands first, what is said of it last.
fn cut(text: String) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text;
    }
    let at = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    format!("{}…{}", &text[..at(LONGEST / 2)], &text[at(count - LONGEST / 2 + 1)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(printable(text), want);
    }

    #[test]
    fn what_can_be_seen_stays() {
        check("`ä 漢字 e\u{301}` is no name", "`ä 漢字 e\u{301}` is no name");
    }

    #[test]
    fn what_would_be_an_order_is_spelled_out() {
        check("\u{1b}[31mred\u{7}", r"\u{1b}[31mred\u{7}");
        check("a\nb\r\tc\0", r"a\nb\r\tc\u{0}");
        check("\u{9b}31m\u{202e}abc\u{2066}\u{feff}", r"\u{9b}31m\u{202e}abc\u{2066}\u{feff}");
    }

    #[test]
    fn what_is_endless_is_cut_in_the_middle() {
        let long = format!("`{}` is no name", "ä".repeat(1_000_000));
        let said = printable(&long);
        assert_eq!(said.chars().count(), LONGEST);
        assert!(said.starts_with("`ää") && said.ends_with("ä` is no name"), "{said}");
    }
}
