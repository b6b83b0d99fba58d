//! The little of HTTP/1 that the ports speak: requests without a body, answers of a known length.

use std::borrow::Cow;

/// The longest head of a request, in bytes.
pub(super) const LONGEST_HEAD: usize = 8 << 10;
/// More headers than any client sends.
const MOST_HEADERS: usize = 64;

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

/// What follows an answer on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Perhaps another request.
    Request,
    /// Nothing: the connection ends.
    End,
    /// A body, which is not read: the connection ends.
    Body,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Without its query.
    pub(super) path: String,
    pub(super) next: Next,
    /// The bytes that it takes.
    pub(super) length: usize,
}

/// What was received is no HTTP/1, or has too many headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Request {
    /// Reads the first request of these bytes; there is none as long as its head is not whole.
    ///
    /// # Errors
    /// When the bytes are no request, whatever follows them.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Request>, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let length = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        let method = match head.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            _ => Method::Other,
        };
        let path = head.path.and_then(|path| path.split('?').next()).unwrap_or_default().to_owned();
        let has_body = head.headers.iter().any(|header| {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            is("Transfer-Encoding") || is("Content-Length") && header.value != b"0"
        });
        let next = match head.version {
            _ if has_body => Next::Body,
            Some(1) if !says(head.headers, "close") => Next::Request,
            Some(0) if says(head.headers, "keep-alive") => Next::Request,
            _ => Next::End,
        };
        Ok(Some(Request { method, path, next, length }))
    }
}

/// Is this word in a header `Connection`?
fn says(headers: &[httparse::Header<'_>], word: &str) -> bool {
    let named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("Connection"));
    let values = named.filter_map(|header| std::str::from_utf8(header.value).ok());
    values.flat_map(|value| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case(word))
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::Unavailable => "503 Service Unavailable",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: Status,
    media_type: &'static str,
    body: Cow<'static, str>,
}

impl Answer {
    /// A line or more of plain text.
    pub(super) fn text(status: Status, body: impl Into<Cow<'static, str>>) -> Answer {
        Answer { status, media_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// What was asked for, in this format.
    pub(super) fn found(media_type: &'static str, body: String) -> Answer {
        Answer { status: Status::Ok, media_type, body: body.into() }
    }

    /// What is sent for it.
    pub(super) fn bytes(&self, method: Method, next: Next) -> Vec<u8> {
        let allow = if self.status == Status::MethodNotAllowed { "allow: GET, HEAD\r\n" } else { "" };
        let connection = if next == Next::Request { "keep-alive" } else { "close" };
        let (status, media_type, length) = (self.status.line(), self.media_type, self.body.len());
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n{allow}connection: {connection}\r\n\r\n"
        );
        let body = if method == Method::Head { "" } else { &self.body };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(head: &str) -> Next {
        Request::read(format!("GET / {head}\r\n\r\n").as_bytes()).unwrap().unwrap().next
    }

    #[test]
    fn a_request_is_read_when_its_head_is_whole() {
        let text = b"GET /metrics?name=a HTTP/1.1\r\nHost: a\r\n\r\nGET /other";
        for length in 0..text.len() - "GET /other".len() {
            assert_eq!(Request::read(&text[..length]), Ok(None), "{length}");
        }
        let length = text.len() - "GET /other".len();
        let read = Request { method: Method::Get, path: "/metrics".into(), next: Next::Request, length };
        assert_eq!(Request::read(text), Ok(Some(read)));
    }

    #[test]
    fn what_follows_is_said_by_the_version_and_the_headers() {
        assert_eq!(next("HTTP/1.1"), Next::Request);
        assert_eq!(next("HTTP/1.1\r\nconnection: Close"), Next::End);
        assert_eq!(next("HTTP/1.1\r\nConnection: upgrade, close"), Next::End);
        assert_eq!(next("HTTP/1.0"), Next::End);
        assert_eq!(next("HTTP/1.0\r\nConnection: keep-alive"), Next::Request);
        assert_eq!(next("HTTP/1.1\r\nContent-Length: 0"), Next::Request);
        assert_eq!(next("HTTP/1.1\r\ncontent-length: 3"), Next::Body);
        assert_eq!(next("HTTP/1.1\r\nTransfer-Encoding: chunked"), Next::Body);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let many = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(MOST_HEADERS + 1));
        for text in
            ["\u{16}\u{3}\u{1}", "GET /\r\n", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\na b\r\n", &many]
        {
            assert_eq!(Request::read(text.as_bytes()), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_what_follows() {
        let answer = Answer::text(Status::MethodNotAllowed, "no\n");
        let text = |method, next| String::from_utf8(answer.bytes(method, next)).unwrap();
        assert_eq!(
            text(Method::Other, Next::Body),
            "HTTP/1.1 405 Method Not Allowed\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n\
             allow: GET, HEAD\r\nconnection: close\r\n\r\nno\n"
        );
        let of_head = text(Method::Head, Next::Request);
        assert!(
            of_head.contains("content-length: 3\r\n") && of_head.ends_with("connection: keep-alive\r\n\r\n")
        );
    }
}
