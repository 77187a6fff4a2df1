//! What a server can answer, and what comes of it. Each server is scripted, on loopback.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Url;
use tokio::time::Instant;

use super::{
    client::{Client, Question},
    cost::Cost,
    error::QueryError,
    slices::{PointSlices, SampleSlices},
};
use crate::{
    hypothesis::model::{Login, PrometheusSource},
    sample::Series,
    time::Time,
    window::Window,
};

/// A whole answer of HTTP, from the fields of the form that was sent.
type Script = dyn Fn(&Asked) -> Vec<u8> + Send + Sync;

/// What a server was asked.
struct Asked {
    /// How many came before.
    number: usize,
    fields: Vec<(String, String)>,
    head: String,
}

impl Asked {
    fn get(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| field == name);
        &field.unwrap_or_else(|| panic!("no `{name}` in {:?}", self.fields)).1
    }

    fn seconds(&self, name: &str) -> f64 {
        self.get(name).trim_end_matches('s').parse().unwrap()
    }
}

/// A server whose thread ends with the process of the test.
fn server(script: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> PrometheusSource {
    let script: Arc<Script> = Arc::new(script);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let script = Arc::clone(&script);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap_or_default() == 0 {
                        return;
                    }
                }
                let length = head.to_lowercase();
                let length =
                    length.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                let form = format!("http://form/?{}", String::from_utf8(body).unwrap());
                let fields = Url::parse(&form).unwrap().query_pairs().into_owned().collect();
                // A client that has seen enough hangs up.
                drop(stream.write_all(&script(&Asked { number, fields, head })));
            });
        }
    });
    PrometheusSource { url, login: Login::None, ca_file: None }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn success(result: &str) -> Vec<u8> {
    let data = format!(r#"{{"resultType":"matrix","result":[{result}]}}"#);
    answer("200 OK", "", &format!(r#"{{"status":"success","data":{data}}}"#))
}

fn refused(status: &str, kind: &str, said: &str) -> Vec<u8> {
    let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"{said}"}}"#);
    answer(status, "", &body)
}

fn at(seconds: i64) -> Time {
    Time::from_millis(seconds * 1000)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// What comes of one question, given so long.
async fn ask_within(source: &PrometheusSource, deadline: Duration) -> Result<usize, QueryError> {
    let question = Question::Instant { promql: "x".to_owned(), at: at(1) };
    let client = Client::new(source).unwrap();
    let answered = client.ask(&question, Instant::now() + deadline).await;
    answered.map(|answered| answered.answer.samples())
}

const ONE: &str = r#"{"metric":{"__name__":"x"},"values":[[1,"2"]]}"#;

/// 64 KiB of blanks, by gzip.
const BLANKS: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x81, 0x00, 0x00, 0x00,
    0x00, 0x80, 0x20, 0x95, 0xfd, 0x29, 0x17, 0xa9, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x6a, 0x94, 0x19, 0x2c, 0xb4, 0x00, 0x00, 0x01,
    0x00,
];

#[track_caller]
fn check_error(got: Result<usize, QueryError>, want: &str) {
    assert_eq!(got.unwrap_err().to_string(), want);
}

/// Such an answer is repeated as long as there is time.
async fn check_passing(bad: Vec<u8>, want: &str) {
    let once = bad.clone();
    let source = server(move |asked| if asked.number == 0 { once.clone() } else { success(ONE) });
    assert_eq!(ask_within(&source, Duration::from_secs(30)).await, Ok(1), "{want}");
    let source = server(move |_| bad.clone());
    check_error(ask_within(&source, Duration::from_millis(400)).await, want);
}

/// Such an answer stays, and is not asked for again.
async fn check_final(bad: Vec<u8>, want: &str) {
    let source = server(move |asked| {
        assert_eq!(asked.number, 0, "asked again");
        bad.clone()
    });
    check_error(ask_within(&source, Duration::from_secs(30)).await, want);
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    check_passing(
        answer("503 Service Unavailable", "", "Service Unavailable"),
        "unavailable, status 503: Service Unavailable",
    )
    .await;
    check_passing(answer("429 Too Many Requests", "", ""), "unavailable, status 429: nothing else")
        .await;
    let html = answer("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");
    let want = "not an answer of Prometheus' API: expected value at line 1 column 1";
    check_passing(html, want).await;
    let nothing = answer("200 OK", "", r#"{"status":"success","data":null}"#);
    let want = "not an answer of Prometheus' API: there is no `result` in it";
    check_passing(nothing, want).await;
    let partial = r#"{"status":"success","data":{"result":[]},"warnings":["store-1 is away"]}"#;
    check_passing(answer("200 OK", "", partial), "the answer is partial: store-1 is away").await;
    let whole = success(ONE);
    check_passing(
        whole[..whole.len() - 9].to_vec(),
        "the answer is broken: error decoding response body: error reading a body from \
         connection: end of file before message length reached",
    )
    .await;
}

#[tokio::test]
async fn what_is_cut_at_the_end_of_a_chunk_is_broken_too() {
    // A proxy that ends the connection where it likes, without a length to tell by.
    let whole = String::from_utf8(success(ONE)).unwrap();
    let body = whole.split_once("\r\n\r\n").unwrap().1;
    let cut = format!("HTTP/1.0 200 OK\r\n\r\n{}", &body[..body.len() - 9]);
    check_passing(cut.into_bytes(), "the answer is broken: it ends in the middle").await;
}

#[tokio::test]
async fn what_will_not_pass_is_final() {
    check_final(
        refused("400 Bad Request", "bad_data", "1:14: parse error"),
        "refused with status 400: 1:14: parse error",
    )
    .await;
    check_final(answer("401 Unauthorized", "", "no"), "refused with status 401: no").await;
    check_final(
        answer("404 Not Found", "", "404 page not found"),
        "refused with status 404: 404 page not found",
    )
    .await;
    let too_many = "query processing would load too many samples into memory in query execution";
    check_final(
        refused("422 Unprocessable Entity", "execution", too_many),
        &format!("too costly for the server: {too_many}"),
    )
    .await;
    check_final(
        refused("503 Service Unavailable", "timeout", "query timed out in expression evaluation"),
        "too costly for the server: query timed out in expression evaluation",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_says_when_it_wants_to_be_asked_again_is_asked_then() {
    let later = answer("429 Too Many Requests", "Retry-After: 3600\r\n", "");
    let source = server(move |asked| {
        assert_eq!(asked.number, 0, "asked again");
        later.clone()
    });
    // It does not want to before the deadline.
    let got = ask_within(&source, Duration::from_secs(30)).await;
    check_error(got, "unavailable, status 429: nothing else");
}

#[tokio::test]
async fn nobody_there_and_nothing_said_are_told_apart() {
    let mut source = server(|_| {
        std::thread::sleep(Duration::from_secs(60));
        Vec::new()
    });
    check_error(ask_within(&source, Duration::from_millis(200)).await, "nothing was heard in time");
    source.url = "http://127.0.0.1:1".to_owned();
    let got = ask_within(&source, Duration::from_millis(200)).await;
    check_error(got, "not reachable: connection refused");
}

#[tokio::test]
async fn an_answer_that_trickles_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                // It answers when it was asked.
                drop(stream.read(&mut [0; 4096]));
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{\"status\":";
                drop(stream.write_all(head.as_bytes()));
                while stream.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        }
    });
    let source = PrometheusSource { url, login: Login::None, ca_file: None };
    let got = ask_within(&source, Duration::from_millis(500)).await;
    check_error(got, "nothing was heard in time");
}

#[tokio::test]
async fn an_answer_that_is_small_on_the_wire_only_is_too_large() {
    let source = server(|_| {
        let length = BLANKS.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), BLANKS].concat()
    });
    let client = Client::new(&source).unwrap().limited_to(60 << 10);
    let question = Question::Instant { promql: "x".to_owned(), at: at(1) };
    let error = client.ask(&question, soon()).await.unwrap_err();
    assert_eq!(error, QueryError::TooLarge(60 << 10));
}

#[tokio::test]
async fn who_asks_is_told_as_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret").to_str().unwrap().to_owned();
    fs_err::write(&file, "s3cret\n").unwrap();
    for (login, want) in [
        (Login::BearerToken { file: file.clone() }, "authorization: Bearer s3cret"),
        (
            Login::Basic { username: "me".to_owned(), password_file: file.clone() },
            "authorization: Basic bWU6czNjcmV0",
        ),
    ] {
        let source = server(move |asked| {
            assert!(asked.head.contains(want), "{}", asked.head);
            success(ONE)
        });
        let source = PrometheusSource { login, ..source };
        assert_eq!(ask_within(&source, Duration::from_secs(30)).await, Ok(1));
    }
}

/// Samples a second apart in the stretch that was asked for; in Prometheus 2 that at its first
/// instant is among them.
fn second_by_second(asked: &Asked) -> Vec<u8> {
    let query = asked.get("query");
    let range = query.rsplit_once('[').unwrap().1.trim_end_matches("s]");
    let until = asked.seconds("time") as i64;
    let samples = (until - range.parse::<i64>().unwrap()..=until).map(|t| format!("[{t},\"{t}\"]"));
    let samples = samples.collect::<Vec<_>>().join(",");
    success(&format!(r#"{{"metric":{{"__name__":"x"}},"values":[{samples}]}}"#))
}

async fn samples(source: &PrometheusSource, from: i64, to: i64) -> (Vec<i64>, Option<String>) {
    let (client, window) = (Client::new(source).unwrap(), Window::new(at(from), at(to)));
    let mut cost = Cost::of("x".to_owned());
    let mut slices = SampleSlices::new(&client, "x", window, soon());
    let (mut all, mut error) = (Series::default(), None);
    while let Some(slice) = slices.next(&mut cost).await {
        match slice {
            Ok(series) => {
                for (time, value) in series.iter().flat_map(|s| s.times.iter().zip(&s.values)) {
                    all.push(*time, *value);
                }
            }
            Err(stopped) => error = Some(stopped.why.to_string()),
        }
    }
    (all.times.iter().map(|time| time.as_millis() / 1000).collect(), error)
}

#[tokio::test]
async fn slices_are_joined_without_a_double_or_a_lost_sample() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let source = server(move |asked| {
        told.lock().unwrap().push(asked.get("query").to_owned());
        second_by_second(asked)
    });
    let (times, error) = samples(&source, 0, 1000).await;
    assert_eq!((times, error), ((0..=1000).collect(), None));
    // Longer and longer, as long as there is little in them.
    assert_eq!(*asked.lock().unwrap(), ["x[120s]", "x[480s]", "x[400s]"]);
}

#[tokio::test]
async fn what_is_too_much_is_asked_for_in_less() {
    let source = server(|asked| {
        let range = asked.get("query").trim_start_matches("x[").trim_end_matches("s]").to_owned();
        if range.parse::<i64>().unwrap() > 40 {
            let said = "query processing would load too many samples into memory";
            return refused("422 Unprocessable Entity", "execution", said);
        }
        second_by_second(asked)
    });
    let (times, error) = samples(&source, 0, 200).await;
    assert_eq!((times, error), ((0..=200).collect(), None));
}

#[tokio::test]
async fn what_is_always_too_much_is_given_up() {
    let source = server(|_| refused("422 Unprocessable Entity", "execution", "too many samples"));
    let (times, error) = samples(&source, 0, 200).await;
    assert_eq!(times, [0; 0]);
    assert_eq!(error.as_deref(), Some("too costly for the server: too many samples"));
}

#[tokio::test]
async fn no_range_has_more_points_than_a_server_allows() {
    let source = server(|asked| {
        let [start, end, step] = ["start", "end", "step"].map(|name| asked.seconds(name) as i64);
        if (end - start) / step > 11_000 {
            return refused(
                "400 Bad Request",
                "bad_data",
                "exceeded maximum resolution of 11,000 points",
            );
        }
        let points: Vec<String> =
            (0..=(end - start) / step).map(|n| format!("[{},\"1\"]", start + n * step)).collect();
        success(&format!(r#"{{"metric":{{}},"values":[{}]}}"#, points.join(",")))
    });
    let client = Client::new(&source).unwrap();
    let mut cost = Cost::of("x".to_owned());
    let step = Duration::from_secs(2);
    let mut slices = PointSlices::new(&client, "x", (at(0), at(60_000)), step, soon());
    let mut times = Vec::new();
    while let Some(slice) = slices.next(&mut cost).await {
        times.extend(slice.unwrap().into_iter().flat_map(|series| series.times));
    }
    let want: Vec<Time> = (0..=30_000).map(|n| at(n * 2)).collect();
    assert_eq!(times, want);
    assert_eq!(cost.note().answered, 3);
}
