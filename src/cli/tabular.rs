//! Rows of cells → aligned text as kubectl prints it: Go's tabwriter with its minimal width, padding and memory of widths.

/// The least width of a column, padding included (kubectl's `tabwriterMinWidth`).
const WIDTH_MIN: usize = 6;

/// Spaces after the widest cell (kubectl's `tabwriterPadding`).
const PADDING: usize = 3;

/// Lays out rows; widths never shrink, so that rows of a watch stay under their header.
#[derive(Clone, Debug)]
pub struct Tabular {
    widths: Vec<usize>,
    width_min: usize,
    padding: usize,
}

impl Default for Tabular {
    fn default() -> Tabular {
        Tabular { widths: Vec::new(), width_min: WIDTH_MIN, padding: PADDING }
    }
}

impl Tabular {
    /// With a minimal width and padding of its own.
    pub fn with(width_min: usize, padding: usize) -> Tabular {
        Tabular { widths: Vec::new(), width_min, padding }
    }

    /// The text of these rows; the last cell of a row is not padded.
    pub fn lines(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            for (column, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                let width = (cell.chars().count() + self.padding).max(self.width_min);
                match self.widths.get_mut(column) {
                    Some(known) => *known = width.max(*known),
                    None => self.widths.push(width),
                }
            }
        }
        let mut out = String::new();
        for row in rows {
            for (column, cell) in row.iter().enumerate() {
                out.push_str(cell);
                if column + 1 < row.len() {
                    let width = self.widths.get(column).copied().unwrap_or_default();
                    out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
                }
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Tabular;

    #[test]
    fn columns_are_laid_out_as_kubectl_does() {
        let rows = |rows: &[&[&str]]| {
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect::<Vec<Vec<String>>>()
        };
        let mut tabular = Tabular::default();
        let text = tabular
            .lines(&rows(&[&["NAME", "READY", "STATUS", "RESTARTS", "AGE"], &["web", "1/1", "Running", "0", "5s"]]));
        assert_eq!(text, "NAME   READY   STATUS    RESTARTS   AGE\nweb    1/1     Running   0          5s\n");
        assert_eq!(
            tabular.lines(&rows(&[&["w", "0/1", "Pending", "0", "5s"]])),
            "w      0/1     Pending   0          5s\n",
            "widths are kept"
        );
        assert_eq!(Tabular::default().lines(&rows(&[&["A", "B", "C"]])), "A     B     C\n", "six at least");
        assert_eq!(Tabular::default().lines(&[]), "");
    }
}
