//! Problems as annotations of a GitHub workflow: one command a line, on stdout.

use std::io::Write;

use super::{Linted, docs};
use crate::hypothesis::{Problem, Problems};

pub(super) fn write(linted: &[Linted], out: &mut dyn Write) -> anyhow::Result<()> {
    for Linted { problems, .. } in linted {
        for problem in problems {
            writeln!(out, "{}", annotation(problem, problems))?;
        }
    }
    Ok(())
}

fn annotation(problem: &Problem, problems: &Problems) -> String {
    let (span, end) = (problem.span, problems.end(problem));
    // Columns are ignored, or refused, when an annotation spans several lines.
    let to = if end.line == span.line && end.column > span.column {
        format!(",endLine={},endColumn={}", end.line, end.column)
    } else {
        String::new()
    };
    let hint = problem.hint.iter().map(|hint| format!("\nhint: {hint}"));
    let said = format!("{}{}\n{}", problem.message, hint.collect::<String>(), docs(problem));
    format!(
        "::{} file={},line={},col={}{to},title={}::{}",
        problem.severity().name(),
        property(problems.file()),
        span.line,
        span.column,
        property(problem.code.text()),
        data(&said),
    )
}

/// What follows the second `::`, on one line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which ends at a comma or colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypothesis::{Code, Span};

    #[track_caller]
    fn check(file: &str, text: &str, span: (usize, usize), want: &str) {
        let span = Span { start: span.0, end: span.1, ..Span::TOP };
        let problem = Problem::new(Code::NoChecks, span, "100 % of\n::error::x").hint("a: b, c");
        let problems = Problems::new(file, text, vec![problem.clone()]);
        let problem = problems.iter().next().unwrap();
        let got = annotation(problem, &problems);
        let got = got.split("%0Ahttps://").next().unwrap();
        assert_eq!(got, want);
    }

    #[test]
    fn an_annotation_is_one_command_whatever_is_in_it() {
        check(
            "a.yaml",
            "ä: b\n",
            (4, 5),
            "::error file=a.yaml,line=1,col=4,endLine=1,endColumn=5,title=no-checks::\
             100 %25 of\\n::error::x%0Ahint: a: b, c",
        );
        check(
            "a,b:c\n%.yaml",
            "a\nb\n",
            (0, 3),
            "::error file=a%2Cb%3Ac%0A%25.yaml,line=1,col=1,title=no-checks::\
             100 %25 of\\n::error::x%0Ahint: a: b, c",
        );
    }
}
