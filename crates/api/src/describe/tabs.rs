//! Text with tabs to text with spaces, by elastic tab stops: what Go's text/tabwriter does with padding 2.

/// Spaces after the widest cell of a block.
const PADDING: usize = 2;

/// A line as its cells; the last one is not ended by a tab and takes no part in the layout.
type Line<'a> = Vec<&'a str>;

/// Lays the cells out. A column is as wide as the widest cell of the lines that follow each other and have it.
pub fn align(text: &str) -> String {
    let mut lines: Vec<Line> = text.split(['\n', '\x0c']).map(|line| line.split(['\t', '\x0b']).collect()).collect();
    // What follows the last line break is a line of its own only when there is something.
    let unended = lines.last().is_some_and(|last| last.iter().any(|cell| !cell.is_empty()) || last.len() > 1);
    if !unended {
        lines.pop();
    }
    let mut out = String::with_capacity(text.len() * 2);
    block(&lines, &mut Vec::new(), &mut out);
    if unended {
        out.pop();
    }
    out
}

/// Writes lines of which all have the columns whose widths are given.
fn block(lines: &[Line], widths: &mut Vec<usize>, out: &mut String) {
    let column = widths.len();
    let has_column = |line: &Line| line.len() > column + 1;
    let mut at = 0;
    while at < lines.len() {
        if !has_column(&lines[at]) {
            write(&lines[at], widths, out);
            at += 1;
            continue;
        }
        let end = at + lines[at..].iter().take_while(|line| has_column(line)).count();
        let widest = lines[at..end].iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        widths.push(widest + PADDING);
        block(&lines[at..end], widths, out);
        widths.pop();
        at = end;
    }
}

fn write(line: &Line, widths: &[usize], out: &mut String) {
    for (i, cell) in line.iter().enumerate() {
        out.push_str(cell);
        if let Some(width) = widths.get(i) {
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_are_elastic() {
        for (text, expect) in [
            ("", ""),
            ("a\n", "a\n"),
            ("a:\tb\nlonger:\tc\n", "a:       b\nlonger:  c\n"),
            // A line without the cell ends the block.
            ("a:\tb\nbreak\nlonger:\tc\n", "a:  b\nbreak\nlonger:  c\n"),
            // Nested blocks: the second column of lines 1 and 3 are apart.
            ("a\tb\tc\nd\te\nf\tgggg\th\n", "a  b  c\nd  e\nf  gggg  h\n"),
            ("x\t\ty\n", "x    y\n"),
            ("a:\t\nbb:\tc\n", "a:   \nbb:  c\n"),
            ("é:\tb\nlo:\tc", "é:   b\nlo:  c"),
        ] {
            assert_eq!(align(text), expect, "{text:?}");
        }
    }

    #[test]
    fn no_text_is_lost() {
        // A generator of its own (xorshift), so that a failure repeats.
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % n
        };
        for _ in 0..2_000 {
            let text: String = (0..next(40)).map(|_| ['a', 'b', '\t', '\n', 'é', ':'][next(6) as usize]).collect();
            let bare = |text: &str| text.replace(['\t', ' '], "");
            assert_eq!(bare(&align(&text)), bare(&text), "{text:?}");
        }
    }
}
