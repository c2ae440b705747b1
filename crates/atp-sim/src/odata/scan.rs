//! A filter cut into words.

/// A word of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Close,
    Open,
    /// Between single quotes; a doubled quote stands for one.
    Quoted(String),
    /// Anything else: names, operators, numbers, times.
    Word(String),
}

/// Cuts a filter into its words. The error is a message for the body of a 400.
pub(crate) fn scan(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            _ if next.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '\'' => tokens.push(Token::Quoted(quoted(&mut rest)?)),
            _ => {
                let mut word = String::from(next);
                while let Some(more) = rest.next_if(|c| !c.is_whitespace() && !"()'".contains(*c)) {
                    word.push(more);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match rest.next() {
            None => return Err("There is an unterminated string literal in $filter.".to_owned()),
            Some('\'') if rest.next_if_eq(&'\'').is_none() => return Ok(text),
            Some(next) => text.push(next),
        }
    }
}
