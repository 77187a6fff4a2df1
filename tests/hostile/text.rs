//! Text from outside is only text, in every format and on the way there.

use std::path::Path;

use regex::Regex;
use serde_json::Value;

use super::poison::{self, HOSTILE, SHOWN};
use crate::support::{
    Done, Program,
    chromium::{Chromium, Look},
    homeostat, tool,
};

const DESKTOP: Look = Look { width: 1280, height: 900, dark: false, phone: false };
const PHONE: Look = Look { width: 390, height: 844, dark: false, phone: true };

fn report(run: &Path, format: &str) -> Done {
    homeostat(["report".as_ref(), run.as_os_str()]).args(["--format", format]).run().exits(0)
}

/// What a page holds that no report of ours does, and its text.
const PAGE: &str = "(() => {
    document.querySelectorAll('details').forEach(part => { part.open = true });
    const foreign = 'script,img,iframe,object,embed,form,a,base,video,link:not([rel=icon]),[style]';
    const acts = node => [...node.attributes].some(one => one.name.startsWith('on'));
    const name = node => `${node.tagName} ${node.className.baseVal ?? node.className}`;
    const wide = node => node.getBoundingClientRect().right > innerWidth + 1;
    return {title: document.title, text: document.body.textContent,
            wide: [...document.querySelectorAll('body *')].filter(wide).slice(0, 9).map(name),
            foreign: document.querySelectorAll(foreign).length,
            acting: [...document.querySelectorAll('*')].filter(acts).length,
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth};
})()";

#[track_caller]
fn check_page(look: Look) {
    let Some(mut browser) = Chromium::start() else { return };
    let (run, store) = poison::poisoned();
    let file = store.path().join("report.html");
    fs_err::write(&file, report(&run, "html").stdout).unwrap();
    browser.open(&file, look);
    let page = browser.ask(PAGE);
    assert_eq!(browser.complaints(), [""; 0], "on the console");
    assert_eq!(browser.requests(), [""; 0], "asked of the network");
    assert_eq!(page["title"], "INCONCLUSIVE: poisoned, 20261123T021500Z-7f3a");
    assert_eq!((&page["foreign"], &page["acting"]), (&Value::from(0), &Value::from(0)));
    let overflow = page["overflow"].as_f64().unwrap();
    assert!(overflow <= 0.0, "the page is {overflow} px wider than the window: {}", page["wide"]);
    let text = page["text"].as_str().unwrap();
    let literal = "<script>document.title='owned'</script><img src=x onerror=";
    for field in ["claim", "note", "object", "command line", "source address", "line"] {
        assert!(text.contains(&format!("{field} {literal}")), "`{field}` is not shown as it is");
    }
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "a control character");
}

#[test]
fn a_page_shows_it_and_does_nothing() {
    check_page(DESKTOP);
}

#[test]
fn a_page_on_a_phone_shows_it_and_does_nothing() {
    check_page(PHONE);
}

/// Should a text get through as markup after all, the page's own policy stops it.
#[test]
fn what_is_planted_in_a_page_is_blocked() {
    let Some(mut browser) = Chromium::start() else { return };
    let (run, store) = poison::poisoned();
    let file = store.path().join("report.html");
    let planted = "<script>document.title = 'owned'</script><style>main { display: none }</style>\
                   <p id=planted style='position: fixed' onclick='0'>x</p>\
                   <img src='http://127.0.0.1:9/x'><base href='http://127.0.0.1:9/'></main>";
    let page = report(&run, "html").stdout.replace("</main>", planted);
    assert!(page.contains(planted));
    fs_err::write(&file, page).unwrap();
    browser.open(&file, DESKTOP);
    let seen = browser.ask(
        "({title: document.title,
           main: getComputedStyle(document.querySelector('main')).display,
           planted: getComputedStyle(document.getElementById('planted')).position,
           base: document.baseURI.startsWith('file:')})",
    );
    assert_ne!(seen["title"], "owned");
    assert_ne!(seen["main"], "none");
    assert_eq!(seen["planted"], "static");
    assert_eq!(seen["base"], true);
    let complaints = browser.complaints().join("\n");
    for directive in ["script-src", "style-src", "img-src", "base-uri"] {
        assert!(complaints.contains(directive), "nothing of `{directive}`: {complaints}");
    }
}

#[test]
fn markdown_shows_it_and_links_nothing() {
    let (run, _store) = poison::poisoned();
    let markdown = report(&run, "markdown").stdout;
    assert!(markdown.contains(SHOWN.split('\'').next().unwrap()));
    let mut options = comrak::Options::default();
    options.extension.autolink = true;
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    // GitHub lets some HTML through: whatever of it gets here is seen below.
    options.render.r#unsafe = true;
    let html = comrak::markdown_to_html(&markdown, &options);
    let ours = ["h2", "h3", "p", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "ul"];
    let ours = [&ours[..], &["li", "code", "strong", "br", "details", "summary"]].concat();
    for tag in Regex::new(r"<[^>]*>").unwrap().find_iter(&html) {
        let name = tag.as_str().trim_matches(['<', '>', '/', ' ']);
        assert!(ours.contains(&name), "`{}` in {html}", tag.as_str());
    }
    // In code nothing is looked for.
    let text = Regex::new(r"(?s)<code>.*?</code>|<[^>]*>").unwrap().replace_all(&html, "");
    for link in [r"@\w", r"#\d", r"(?i)gh-\d", "://", r"www\."] {
        let found = Regex::new(link).unwrap().find(&text).map(|found| found.range());
        assert_eq!(found, None, "`{link}` in {text}");
    }
    assert!(!markdown.contains(|c: char| c != '\n' && c.is_control()));
}

#[test]
fn junit_is_well_formed() {
    let Some(python) = tool::need(&["python3"]) else { return };
    let (run, store) = poison::poisoned();
    let file = store.path().join("junit.xml");
    let xml = report(&run, "junit").stdout;
    assert!(!xml.contains(|c: char| c != '\n' && c.is_control()), "a control character");
    fs_err::write(&file, xml).unwrap();
    let read = "import sys, xml.etree.ElementTree as tree\n\
                root = tree.parse(sys.argv[1]).getroot()\n\
                print(root.tag, {one.tag for one in root.iter()} - set(sys.argv[2:]))\n\
                print([one.get('value') for one in root.iter('property') if one.get('name') == 'claim'][0])";
    let done = Program::new(python)
        .args(["-c", read])
        .args([&file])
        .args(["testsuites", "testsuite", "testcase", "properties", "property"])
        .args(["system-out", "failure", "error"])
        .env("PYTHONUTF8", "1")
        .run()
        .exits(0);
    assert!(done.stdout.starts_with("testsuites set()\n"), "{done}");
    assert!(done.stdout.contains("claim <script>document.title='owned'</script>"), "{done}");
}

#[test]
fn json_keeps_every_character_and_shows_none_that_acts() {
    let (run, _store) = poison::poisoned();
    let json = report(&run, "json").stdout;
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["hypothesis"]["claim"], poison::claim());
    let unseen = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}\u{fffe}".contains(c));
    assert!(!json.contains(unseen));
}

#[test]
fn a_terminal_gets_colours_and_nothing_else() {
    let (run, _store) = poison::poisoned();
    let done = homeostat(["report".as_ref(), run.as_os_str()]).env("CLICOLOR_FORCE", "1");
    let text = done.run().exits(0).stdout;
    assert!(text.contains("\x1b[3") && text.contains(SHOWN) && text.contains('␛'));
    let plain = Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&text, "");
    let acting = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}".contains(c));
    assert_eq!(plain.find(acting), None, "{plain:?}");
    assert!(text.contains(" more characters)"), "of 10 kB the rest is counted");
    assert!(plain.lines().all(|line| line.chars().count() < 1200), "of 10 kB the rest is cut");
}

#[test]
fn an_error_on_the_terminal_drives_nothing() {
    let done = homeostat(["report", HOSTILE.trim_matches('\0').split('\0').next().unwrap()]);
    let done = done.run().exits(1);
    assert!(done.stderr.contains("owned"), "{done}");
    assert!(!done.stderr.contains(|c: char| c != '\n' && c.is_control()), "{:?}", done.stderr);
}
