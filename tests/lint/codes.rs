//! Every code: a file with exactly that fault, what people are told about it, and a page with an
//! example that is bad and one that is good.
//!
//! A file `tests/data/lint/CODE.yaml` says in its first line where its problem is:
//! `# problem: 12:5`. After a change of words, `INSTA_UPDATE=always` writes `rendered/` anew; read
//! what comes out as someone who has never seen the program.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use camino::Utf8PathBuf;
use homeostat::internals::hypothesis::{self, Code, Problems, Reading, load};

/// What no file in a repository can show; `hostile` makes them where they can be.
const UNSHOWABLE: [Code; 4] =
    [Code::NoSuchFile, Code::NotAFile, Code::UnreadableFile, Code::FileTooLarge];

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lint")
}

/// The real check of a file, in an environment without variables.
fn lint(code: Code) -> Problems {
    let path = Utf8PathBuf::from_path_buf(dir().join(format!("{code}.yaml"))).unwrap();
    // The messages are committed, and the checkout may be anywhere.
    let renamed = |problems: Problems, text: &str| {
        Problems::new(&format!("{code}.yaml"), text, problems.iter().cloned().collect())
    };
    match load::read(&path) {
        Ok(text) => renamed(check(&text), &text),
        Err(error @ load::LoadError::NotUtf8 { .. }) => {
            let text = String::from_utf8_lossy(&fs_err::read(&path).unwrap()).into_owned();
            let mut problems: Vec<_> = error.problems().iter().cloned().collect();
            for problem in &mut problems {
                problem.message = problem.message.replace(path.as_str(), path.file_name().unwrap());
            }
            Problems::new(path.file_name().unwrap(), &text, problems)
        }
        Err(error) => panic!("{error}: every code has its file"),
    }
}

fn check(text: &str) -> Problems {
    hypothesis::check(text, "a.yaml", Reading::ToRun(&|_| None)).problems
}

fn shown() -> impl Iterator<Item = Code> {
    Code::ALL.iter().copied().filter(|code| !UNSHOWABLE.contains(code))
}

#[test]
fn every_code_has_its_file_and_every_file_its_code() {
    let found: BTreeSet<String> = fs_err::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "rendered")
        .collect();
    let wanted: BTreeSet<String> = shown().map(|code| format!("{code}.yaml")).collect();
    assert_eq!(found, wanted, "a code without a file, or a file without a code");
    let rendered: BTreeSet<String> = fs_err::read_dir(dir().join("rendered"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let wanted: BTreeSet<String> = shown().map(|code| format!("{code}.snap")).collect();
    assert_eq!(rendered, wanted, "messages of a code that is gone, or of none yet");
}

#[test]
fn every_file_has_its_problem_and_no_other() {
    let mut wrong = Vec::new();
    for code in shown() {
        let bytes = fs_err::read(dir().join(format!("{code}.yaml"))).unwrap();
        let first = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        let problems = lint(code);
        let got: Vec<String> = problems
            .iter()
            .map(|problem| {
                format!("{} at {}:{}", problem.code, problem.span.line, problem.span.column)
            })
            .collect();
        let place = first.strip_prefix("# problem: ").unwrap_or("the place in the first line");
        if got != [format!("{code} at {place}")] {
            wrong.push(format!("{code}.yaml, marked `{first}`, has {got:?}"));
        }
        if problems.iter().any(|problem| problem.hint.as_ref().is_none_or(|h| h.trim().is_empty()))
        {
            wrong.push(format!("{code} says no way out"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn people_are_told_this() {
    for code in shown() {
        insta::with_settings!({
            snapshot_path => "../data/lint/rendered",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(code.text(), lint(code).render(false));
        });
    }
}

/// The lines of a page after `# bad` or `# good`, up to the other or the end of the example.
fn example<'p>(page: &'p str, which: &str) -> Option<Vec<&'p str>> {
    let yaml = page.split_once("```yaml\n")?.1.split_once("```")?.0;
    let lines = yaml.lines().skip_while(|line| *line != which).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !["# bad", "# good"].contains(line)).collect();
    (!lines.is_empty()).then_some(lines)
}

/// The text with lines replaced, at whatever depth they stand there.
fn replaced(text: &str, old: &[&str], new: &[&str]) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.windows(old.len()).position(|window| {
        let same = |(line, old): (&&str, &&str)| line.trim() == old.trim();
        window.iter().zip(old).all(same)
    })?;
    let indent: String = lines[at].chars().take_while(|c| *c == ' ').collect();
    let new: Vec<String> = new.iter().map(|line| format!("{indent}{line}")).collect();
    let mut all: Vec<&str> = lines[..at].to_vec();
    all.extend(new.iter().map(String::as_str));
    all.extend(&lines[at + old.len()..]);
    Some(all.join("\n") + "\n")
}

#[test]
fn the_examples_of_a_page_are_as_bad_and_as_good_as_it_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hypothesis.md");
    let docs = fs_err::read_to_string(docs).unwrap();
    for code in shown().filter(|code| ![Code::NotUtf8, Code::EmptyFile].contains(code)) {
        let page = docs.split_once(&format!("\n### {code}\n")).unwrap().1;
        let page = page.split("\n### ").next().unwrap();
        let (Some(bad), Some(good)) = (example(page, "# bad"), example(page, "# good")) else {
            panic!("the page of `{code}` has no example of each kind");
        };
        let text = fs_err::read_to_string(dir().join(format!("{code}.yaml"))).unwrap();
        let text = replaced(&text, &bad, &good);
        let text = text.unwrap_or_else(|| panic!("the bad example of `{code}` is not in its file"));
        let problems = check(&text);
        assert!(problems.is_empty(), "the good example of `{code}`:\n{}", problems.render(false));
    }
}
