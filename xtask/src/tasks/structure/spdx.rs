//! Licence expressions: whether a list of permitted licences satisfies one.
//!
//! `AND`, `OR`, `WITH`, parentheses, and the old `/` for `OR`. `AND` binds tighter than `OR`.

/// Whether choosing among `allowed` licences fulfils `expression`; `None` if it cannot be read.
pub(super) fn satisfied(expression: &str, allowed: &[String]) -> Option<bool> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        tokens: &tokens,
        allowed,
    };
    let answer = reader.either()?;
    reader.tokens.is_empty().then_some(answer)
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Reader<'a> {
    fn either(&mut self) -> Option<bool> {
        let mut answer = self.all()?;
        while self.eat("OR") {
            answer |= self.all()?;
        }
        Some(answer)
    }

    fn all(&mut self) -> Option<bool> {
        let mut answer = self.one()?;
        while self.eat("AND") {
            answer &= self.one()?;
        }
        Some(answer)
    }

    fn one(&mut self) -> Option<bool> {
        if self.eat("(") {
            let answer = self.either()?;
            return self.eat(")").then_some(answer);
        }
        let mut license = self.word()?.to_owned();
        if self.eat("WITH") {
            license = format!("{license} WITH {}", self.word()?);
        }
        Some(self.allowed.contains(&license))
    }

    fn word(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        (!["(", ")", "AND", "OR", "WITH"].contains(first)).then_some(*first)
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_defines_them() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        let cases = [
            ("MIT", Some(true)),
            ("GPL-3.0", Some(false)),
            ("GPL-3.0 OR MIT", Some(true)),
            ("Unlicense/MIT", Some(true)),
            ("GPL-3.0 AND MIT", Some(false)),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", Some(true)),
            ("GPL-3.0 OR MIT AND BSD-3-Clause", Some(false)),
            ("Apache-2.0 WITH LLVM-exception", Some(false)),
            ("Apache-2.0 WITH LLVM-exception OR MIT", Some(true)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT)", None),
            ("MIT Apache-2.0", None),
        ];
        for (expression, want) in cases {
            assert_eq!(satisfied(expression, &allowed), want, "{expression}");
        }
    }
}
