//! Rules of others that let no packet come to the rules behind them.

/// Does it end the walk of every packet, or of every packet of a protocol?
pub(super) fn is_barrier(specification: &str) -> bool {
    const LAST_WORDS: [&str; 9] =
        ["ACCEPT", "DROP", "RETURN", "REJECT", "QUEUE", "NFQUEUE", "REDIRECT", "DNAT", "TPROXY"];
    let mut rest = specification;
    loop {
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        let value = behind.split(' ').next().unwrap_or_default();
        let skipped = match (word, value) {
            ("-j", target) => return LAST_WORDS.contains(&target),
            // What follows a comment, or names every port, narrows nothing.
            ("--comment", _) => after_word(behind),
            ("-m", "comment" | "tcp" | "udp") | ("-p", _) => after_word(behind),
            ("--dport" | "--sport", "0:65535" | "1:65535" | ":65535" | "1:" | "0:") => after_word(behind),
            _ => return false,
        };
        rest = skipped;
    }
}

/// What stands behind the first word, which may be quoted.
fn after_word(text: &str) -> &str {
    let end = match text.strip_prefix('"') {
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.bytes().position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            end.map_or(text.len(), |end| end + 2)
        }
        None => text.find(' ').unwrap_or(text.len()),
    };
    text[end..].trim_start()
}
