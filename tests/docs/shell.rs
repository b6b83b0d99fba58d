//! The commands in a line of shell.

/// The words of a line of shell, command by command: quotes and comments are understood, and nothing else is.
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let finish = |word: &mut Option<String>, all: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(last)) = (word.take(), all.last_mut()) {
            last.push(word);
        }
    };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ';' | '|' | '&') => {
                finish(&mut word, &mut all);
                all.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => finish(&mut word, &mut all),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut word, &mut all);
    for words in &mut all {
        // A prompt, and variables of the command.
        let is_before = |word: &String| {
            matches!(word.as_str(), "$" | "sudo")
                || word.split_once('=').is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !name.is_empty()
                })
        };
        let count = words.iter().take_while(|word| is_before(word)).count();
        words.drain(..count);
    }
    all.retain(|words| !words.is_empty());
    all
}

#[test]
fn lines_of_shell_are_read_as_a_shell_reads_them() {
    let words = |line| commands(line).iter().map(|words| words.join("+")).collect::<Vec<_>>();
    assert_eq!(words("$ RECONCILE=true mesh-intercept init -i '*' # all"), ["mesh-intercept+init+-i+*"]);
    assert_eq!(words("sudo a; b --x=\"1 2\" | c && d"), ["a", "b+--x=1 2", "c", "d"]);
    assert_eq!(words("# nothing"), [""; 0]);
}
