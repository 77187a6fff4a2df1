//! The report in a real browser: it opens offline, complains of nothing, and can be read.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{
    chromium::{Chromium, Look},
    homeostat, shared_recording,
};

const DESKTOP: Look = Look { width: 1280, height: 900, dark: false, phone: false };
const PHONE: Look = Look { width: 390, height: 844, dark: false, phone: true };

/// Every drawing of the page that is not decoration: whether it is shown, its size on the screen,
/// and how many marks it has. Plots are drawn once for a desk and once for a phone; those for the
/// other are left out.
const PLOTS: &str = "(() => {
    const other = matchMedia('(max-width: 700px)').matches ? '.wide' : '.narrow';
    const drawings = document.querySelectorAll(`svg:not([aria-hidden=true]):not(${other} svg)`);
    return [...drawings].map(svg => {
        const box = svg.getBoundingClientRect();
        const marks = svg.querySelectorAll('path,polyline,polygon,line,rect,circle,text').length;
        return {shown: svg.checkVisibility({opacityProperty: true, visibilityProperty: true}),
                width: box.width, height: box.height, marks};
    });
})()";

/// What a reader does to see everything.
const UNFOLD: &str = "document.querySelectorAll('details').forEach(part => { part.open = true })";

/// How much wider the page is than the window.
const OVERFLOW: &str =
    "document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// Pairs of a text and its contrast with what lies behind it, as WCAG 2 defines it, least first.
const CONTRAST: &str = r"(() => {
    const rgba = text => { const n = text.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
    const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
    const behind = node => {
        for (let at = node; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] > 0.99) return colour;
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    };
    const texts = [...document.querySelectorAll('h1,h2,h3,p,td,th,li,dt,dd,figcaption,summary')]
        .filter(node => node.innerText?.trim() && node.getClientRects().length);
    return texts.map(node => {
        const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
        return {text: node.innerText.slice(0, 40), ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)};
    }).sort((x, y) => x.ratio - y.ratio);
})()";

#[track_caller]
fn check(look: Look, picture: &str) {
    let Some(mut browser) = Chromium::start() else { return };
    let report = shared_recording().join("report.html");
    browser.open(&report, look);
    let picture = browser.picture(picture);
    assert_eq!(browser.complaints(), [""; 0], "on the console");
    assert_eq!(browser.requests(), [""; 0], "asked of the network");

    browser.ask(UNFOLD);
    let plots = browser.ask(PLOTS);
    let plots = plots.as_array().unwrap();
    assert!(plots.len() >= 3, "{} plots, see {picture}", plots.len());
    for plot in plots {
        let size = |name: &str| plot[name].as_f64().unwrap();
        let drawn = size("width") > 100.0 && size("height") > 20.0 && size("marks") > 2.0;
        assert!(drawn && plot["shown"] == true, "a plot cannot be seen: {plot}, see {picture}");
    }
    let overflow = browser.ask(OVERFLOW).as_f64().unwrap();
    assert!(overflow <= 0.0, "the page is {overflow} px wider than the window, see {picture}");

    let contrast = browser.ask(CONTRAST);
    let least = &contrast[0];
    // WCAG 2, success criterion 1.4.3: 4.5 to 1 for text of normal size.
    assert!(least["ratio"].as_f64().unwrap() >= 4.5, "hard to read: {least}, see {picture}");
}

#[test]
fn it_opens_on_a_desk() {
    check(DESKTOP, "report-desktop-light");
}

#[test]
fn it_opens_on_a_desk_at_night() {
    check(Look { dark: true, ..DESKTOP }, "report-desktop-dark");
}

#[test]
fn it_opens_on_a_phone() {
    check(PHONE, "report-phone-light");
}

#[test]
fn it_opens_on_a_phone_at_night() {
    check(Look { dark: true, ..PHONE }, "report-phone-dark");
}

#[test]
fn every_format_is_rendered_from_the_recording() {
    let run = shared_recording();
    for (format, stored) in [
        ("html", "report.html"),
        ("markdown", "report.md"),
        ("junit", "junit.xml"),
        ("json", "verdict.json"),
    ] {
        let done = homeostat(["report".as_ref(), run.as_os_str()]).args(["--format", format]).run();
        let done = done.exits(0);
        let stored = fs_err::read_to_string(run.join(stored)).unwrap();
        assert_eq!(done.stdout.trim_end(), stored.trim_end(), "{format}");
    }
}

/// The guard itself: a page with something wrong in it is seen to be wrong.
mod guard {
    use super::*;

    fn page(dir: &Path, body: &str) -> PathBuf {
        let file = dir.join("page.html");
        let head = "<!doctype html><meta charset=utf-8><title>t</title>\
                    <meta name=viewport content='width=device-width'>";
        fs_err::write(&file, format!("{head}{body}")).unwrap();
        file
    }

    fn open(body: &str, look: Look) -> Option<(Chromium, TempDir)> {
        let mut browser = Chromium::start()?;
        let dir = TempDir::new().unwrap();
        browser.open(&page(dir.path(), body), look);
        Some((browser, dir))
    }

    #[test]
    fn a_quiet_page_is_quiet() {
        let body = "<p>fine</p><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>";
        let Some((mut browser, _dir)) = open(body, PHONE) else { return };
        assert_eq!(browser.complaints(), [""; 0]);
        assert_eq!(browser.requests(), [""; 0]);
        assert_eq!(browser.ask(OVERFLOW), 0);
    }

    #[test]
    fn an_error_on_the_console_is_seen() {
        let Some((browser, _dir)) = open("<script>console.error('boo')</script>", DESKTOP) else {
            return;
        };
        assert!(browser.complaints()[0].contains("boo"));
    }

    #[test]
    fn an_exception_is_seen() {
        let Some((browser, _dir)) = open("<script>nowhere()</script>", DESKTOP) else { return };
        assert!(browser.complaints()[0].contains("nowhere"));
    }

    #[test]
    fn a_request_is_seen_even_when_nobody_answers() {
        let body = "<link rel=stylesheet href='http://127.0.0.1:9/a.css'>\
                    <script>setTimeout(() => fetch('http://127.0.0.1:9/b').catch(() => {}), 10)</script>";
        let Some((browser, _dir)) = open(body, DESKTOP) else { return };
        assert_eq!(browser.requests(), ["http://127.0.0.1:9/a.css", "http://127.0.0.1:9/b"]);
    }

    #[test]
    fn a_file_beside_the_page_is_a_request_too() {
        let Some((browser, _dir)) = open("<img src='beside.png'>", DESKTOP) else { return };
        assert!(browser.requests()[0].ends_with("/beside.png"));
    }

    #[test]
    fn a_page_within_the_page_is_a_request_too() {
        let body = "<iframe src='http://127.0.0.1:9/within'></iframe>";
        let Some((browser, _dir)) = open(body, DESKTOP) else { return };
        assert_eq!(browser.requests(), ["http://127.0.0.1:9/within"]);
    }

    #[test]
    fn a_wide_page_and_pale_text_are_seen() {
        let body = "<div style='width:900px'>wide</div><p style='color:#aaa'>pale</p>";
        let Some((mut browser, _dir)) = open(body, PHONE) else { return };
        assert!(browser.ask(OVERFLOW).as_f64().unwrap() > 0.0);
        assert!(browser.ask(CONTRAST)[0]["ratio"].as_f64().unwrap() < 4.5);
    }

    #[test]
    fn a_hidden_plot_is_seen_to_be_hidden() {
        let body = "<details><svg width=300 height=200><rect width=9 height=9 /></svg></details>";
        let Some((mut browser, _dir)) = open(body, DESKTOP) else { return };
        assert_eq!(browser.ask(PLOTS)[0]["shown"], false);
        browser.ask(UNFOLD);
        assert_eq!(browser.ask(PLOTS)[0]["shown"], true);
    }
}
