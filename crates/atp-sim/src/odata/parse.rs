//! A filter read into a tree: `or` binds weakest, then `and`, then `not`.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::odata::filter::{Field, Filter, Operator, Value, unknown_field};
use crate::odata::scan::{Token, scan};
use crate::ticks;

/// How deep parentheses and `not` may nest; a query is a line, not a program.
const DEEPEST: usize = 50;

/// Reads a filter. The error is a message for the body of a 400.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    let mut parser = Parser { tokens: scan(text)?.into_iter().peekable(), depth: 0 };
    let filter = parser.either()?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(token) => Err(syntax_error(&token)),
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    fn either(&mut self) -> Result<Filter, String> {
        let mut left = self.both()?;
        while self.keyword("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, String> {
        let mut left = self.one()?;
        while self.keyword("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("The $filter expression is nested too deeply.".to_owned());
        }
        let filter = if self.keyword("not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.tokens.next_if_eq(&Token::Open).is_some() {
            self.parenthesis()?
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn parenthesis(&mut self) -> Result<Filter, String> {
        let inner = self.either()?;
        match self.tokens.next() {
            Some(Token::Close) => Ok(inner),
            Some(token) => Err(syntax_error(&token)),
            None => Err(ended()),
        }
    }

    fn comparison(&mut self) -> Result<Filter, String> {
        let name = self.word()?;
        let field = Field::named(&name).ok_or_else(|| unknown_field(&name))?;
        let word = self.word()?;
        let operator = Operator::named(&word).ok_or_else(|| syntax_error(&Token::Word(word)))?;
        let value = self.value()?;
        if !field.takes(&value) {
            return Err("A binary operator with incompatible types was detected in $filter.".to_owned());
        }
        Ok(Filter::Compare(field, operator, value))
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.tokens.next() {
            Some(Token::Quoted(text)) => Ok(Value::Text(text)),
            Some(Token::Word(word)) => literal(&word).ok_or_else(|| syntax_error(&Token::Word(word))),
            Some(token) => Err(syntax_error(&token)),
            None => Err(ended()),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(token) => Err(syntax_error(&token)),
            None => Err(ended()),
        }
    }

    fn keyword(&mut self, name: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(word) if word == name)).is_some()
    }
}

fn literal(word: &str) -> Option<Value> {
    if word == "null" {
        return Some(Value::Null);
    }
    word.parse().map(Value::Number).ok().or_else(|| ticks::parse(word).map(Value::Time))
}

fn ended() -> String {
    "Expression expected at the end of $filter.".to_owned()
}

fn syntax_error(token: &Token) -> String {
    let text = match token {
        Token::Close => ")",
        Token::Open => "(",
        Token::Quoted(text) | Token::Word(text) => text,
    };
    format!("Syntax error in $filter at '{text}'.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(text: &str) -> String {
        fn draw(filter: &Filter) -> String {
            match filter {
                Filter::And(left, right) => format!("({} & {})", draw(left), draw(right)),
                Filter::Or(left, right) => format!("({} | {})", draw(left), draw(right)),
                Filter::Not(inner) => format!("!{}", draw(inner)),
                Filter::Compare(_, _, Value::Text(text)) => text.clone(),
                Filter::Compare(..) => "?".to_owned(),
            }
        }
        draw(&filter(text).unwrap())
    }

    /// `and` binds stronger than `or`, `not` stronger than both, and parentheses win.
    #[test]
    fn precedence() {
        let named = |text: &str| text.replace('#', "status eq ");
        assert_eq!(shape(&named("#'a' or #'b' and #'c'")), "(a | (b & c))");
        assert_eq!(shape(&named("(#'a' or #'b') and #'c'")), "((a | b) & c)");
        assert_eq!(shape(&named("not #'a' and #'b'")), "(!a & b)");
        assert_eq!(shape(&named("not (#'a' or #'it''s')")), "!(a | it's)");
    }

    /// What is no filter is refused, with the place in the message.
    #[test]
    fn refuses_what_is_no_filter() {
        let refused = [
            "lastUpdateTime ge '2019-11-22T00:00:00Z'",
            "lastUpdateTime ge 2019-11-22T00:00:00 00:00",
            "lastUpdateTime ge",
            "status like 'New'",
            "title eq 'x'",
            "status eq New",
            "status eq 'New",
            "(status eq 'New'",
            "status eq 'New')",
            "startswith(status,'N')",
            "incidentId eq 'one'",
            "",
        ];
        for text in refused {
            assert!(filter(text).is_err(), "{text}");
        }
        assert_eq!(filter("title eq 'x'").unwrap_err(), unknown_field("title"));
    }

    /// Depth is limited, so that no query exhausts the stack.
    #[test]
    fn depth_is_limited() {
        assert!(filter(&format!("{}status eq 'x'", "not ".repeat(100_000))).is_err());
        assert!(filter(&"(".repeat(100_000)).is_err());
    }

    proptest! {
        /// Nothing that can be typed panics.
        #[test]
        fn never_panics(text in "([()'a-z ]|lastUpdateTime|status|and|or|not|eq|ge|2019-11-22T00:00:00Z|\\PC){0,30}") {
            let _ = filter(&text);
        }
    }
}
