//! The part of HTTP/1.1 that a scraper needs: one request, one response, then the connection closes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Maximum bytes of a request, including its headers.
const HEAD: usize = 8 << 10;
/// Maximum number of headers.
const HEADERS: usize = 64;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// `GET`, or `HEAD` without the body.
    Get {
        /// The path, without the query.
        path: String,
        /// Whether the response includes the body.
        body: bool,
    },
    /// Another method.
    Other,
    /// Not HTTP, or larger than the limits.
    Malformed,
}

/// A response.
#[derive(Debug)]
pub(super) enum Answer {
    /// The metrics.
    Text(String),
    /// Whether new connections are accepted.
    Health(bool),
    /// Another path.
    NotFound,
    /// Another method.
    NotAllowed,
    /// Not HTTP.
    Malformed,
    /// A fault of the server.
    Failed,
}

/// Reads the head of a request; a body is ignored.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Request> {
    let mut head = Vec::new();
    let mut limited = stream.take(HEAD as u64);
    while limited.read_buf(&mut head).await? > 0 {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Partial) => {}
            Ok(httparse::Status::Complete(_)) => {
                let path = request.path.unwrap_or_default();
                let path = path.split('?').next().unwrap_or_default().to_owned();
                return Ok(match request.method {
                    Some("GET") => Request::Get { path, body: true },
                    Some("HEAD") => Request::Get { path, body: false },
                    _ => Request::Other,
                });
            }
            Err(_) => return Ok(Request::Malformed),
        }
    }
    Ok(Request::Malformed)
}

/// Writes a response and ends the stream.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), answer: &Answer, with_body: bool) -> io::Result<()> {
    let (status, body) = match answer {
        Answer::Text(text) => ("200 OK", text.as_str()),
        Answer::Health(true) => ("200 OK", "ok\n"),
        Answer::Health(false) => ("503 Service Unavailable", "draining\n"),
        Answer::NotFound => ("404 Not Found", "the metrics are at /metrics\n"),
        Answer::NotAllowed => ("405 Method Not Allowed", "only GET\n"),
        Answer::Malformed => ("400 Bad Request", "not HTTP\n"),
        Answer::Failed => ("500 Internal Server Error", "the log has the details\n"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if with_body {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(bytes: &[u8]) -> Request {
        read(&mut io::Cursor::new(bytes.to_vec())).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_is_read_whole_and_never_more_than_its_budget() {
        let get = |path: &str, body| Request::Get { path: path.to_owned(), body };
        assert_eq!(parsed(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\nmore").await, get("/metrics", true));
        assert_eq!(parsed(b"HEAD / HTTP/1.0\r\n\r\n").await, get("/", false));
        assert_eq!(parsed(b"POST /metrics HTTP/1.1\r\n\r\n").await, Request::Other);
        for bad in [&b""[..], b"GET /metrics HTTP/1.1\r\nHost", b"\x16\x03\x01\x02\x00", b"nonsense\r\n\r\n"] {
            assert_eq!(parsed(bad).await, Request::Malformed, "{bad:?}");
        }
        let long = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &vec![b'x'; HEAD], b"\r\n\r\n"].concat();
        assert_eq!(parsed(&long).await, Request::Malformed);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1));
        assert_eq!(parsed(many.as_bytes()).await, Request::Malformed);
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let mut out = Vec::new();
        write(&mut out, &Answer::Text("a 1\n".into()), false).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("Content-Length: 4\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }
}
