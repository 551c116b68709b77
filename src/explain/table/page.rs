//! The tables as a page of text, no wider than 100 columns.

use std::fmt::{self, Write as _};

use super::{Row, Table};

/// A page of tables.
pub struct Page<'a>(pub &'a [Table]);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in self.0 {
            let media_type = table.content_type.as_ref().map_or_else(String::new, |text| format!(", {text}"));
            writeln!(f, "policy {}, answers with {}{media_type}\n", table.policy, table.status)?;
            writeln!(f, "  asked    answer says                  stored            fresh  stale  answers")?;
            for row in &table.rows {
                line(f, row)?;
            }
            writeln!(f)?;
        }
        f.write_str(LEGEND)
    }
}

const LEGEND: &str = "\
asked: with credentials or without; the same: requests with the same credentials; confirmed: once
the origin confirms it to the asker; stale: r while it is revalidated, e in place of an error, d
while the origin is disconnected. Answers that say something of freshness have an ETag.
";

fn line(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let asked = match row.credentialed {
        None => "either",
        Some(true) => "with",
        Some(false) => "without",
    };
    let word = row.reason.strip_prefix("permit-").unwrap_or(row.reason);
    let stored = if row.stored { word.to_owned() } else { format!("no, {word}") };
    let stale = [(row.stale_while_revalidating, 'r'), (row.stale_if_error, 'e'), (row.stale_if_disconnected, 'd')];
    let stale: String = stale.iter().filter(|(is_so, _)| *is_so).map(|(_, letter)| *letter).collect();
    let mut text = String::new();
    let fresh = if row.stored { format!("{} s", row.fresh_for) } else { String::new() };
    let answers = if row.stored { row.answers.as_str() } else { "" };
    write!(text, "  {asked:<8} {:<28} {stored:<17} {fresh:<6} {stale:<6} {answers}", row.says)?;
    writeln!(f, "{}", text.trim_end())
}
