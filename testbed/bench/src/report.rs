//! Figures, their targets, and the table.

use std::time::Duration;

use serde_json::{Value, json};

/// The bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Bound {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {}", number(bound)),
            Self::AtMost(bound) => format!("≤ {}", number(bound)),
        }
    }
}

/// A figure of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    scenario: &'static str,
    name: String,
    unit: &'static str,
    value: f64,
    target: Option<Bound>,
    specification: Option<Bound>,
}

impl Figure {
    /// Returns a figure without a target.
    pub(crate) fn new(scenario: &'static str, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { scenario, name: name.into(), unit, value, target: None, specification: None }
    }

    /// Sets the target.
    #[must_use]
    pub(crate) const fn target(mut self, target: Option<Bound>) -> Self {
        self.target = target;
        self
    }

    /// Sets the requirement of the specification.
    #[must_use]
    pub(crate) const fn specification(mut self, specification: Option<Bound>) -> Self {
        self.specification = specification;
        self
    }

    /// Returns whether it has this scenario and name.
    pub(crate) fn is(&self, scenario: &str, name: &str) -> bool {
        self.scenario == scenario && self.name == name
    }

    /// Returns the measured value.
    pub(crate) const fn value(&self) -> f64 {
        self.value
    }

    /// Returns whether the target is met, or `None` without a target.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.target.map(|target| target.is_met(self.value))
    }

    fn cells(&self) -> [String; 6] {
        let bound = |bound: Option<Bound>| bound.map(Bound::shown).unwrap_or_default();
        let met = match self.is_met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let value = format!("{} {}", number(self.value), self.unit);
        [
            self.scenario.to_owned(),
            self.name.clone(),
            value,
            bound(self.target),
            bound(self.specification),
            met.to_owned(),
        ]
    }

    /// Returns the figure as JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "scenario": self.scenario, "figure": self.name, "unit": self.unit, "value": self.value,
            "target": self.target.map(Bound::shown), "specification": self.specification.map(Bound::shown),
            "met": self.is_met(),
        })
    }
}

/// Returns a duration in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Formats a number with three significant digits, or a large one as an integer with thousands separators.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{:.0}", value.abs());
            let mut grouped = if value < 0.0 { "-".to_owned() } else { String::new() };
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
    }
}

/// Formats the figures as a table.
pub(crate) fn table(figures: &[Figure]) -> String {
    let head = ["scenario", "figure", "measured", "target", "specification", "met"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            // Numbers are right-aligned, words left-aligned.
            2..=4 => format!("{cell:>width$}  "),
            _ => format!("{cell:<width$}  "),
        });
        table.push_str(cells.collect::<String>().trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_numbers_with_significant_digits() {
        let shown = [0.0, 0.123, 9.87, 63.25, 110.4, 16_000.0, 1_234_567.8, -1234.0].map(number);
        assert_eq!(shown, ["0", "0.12", "9.87", "63.2", "110", "16,000", "1,234,568", "-1,234"]);
    }

    #[test]
    fn compares_figure_with_target() {
        let figure = |bound| Figure::new("s", "f", 5.0, "ms").target(Some(bound)).is_met();
        assert_eq!(figure(Bound::AtLeast(5.0)), Some(true));
        assert_eq!(figure(Bound::AtLeast(5.1)), Some(false));
        assert_eq!(figure(Bound::AtMost(5.0)), Some(true));
        assert_eq!(figure(Bound::AtMost(4.9)), Some(false));
        assert_eq!(Figure::new("s", "f", 5.0, "ms").is_met(), None);
    }

    #[test]
    fn aligns_the_columns_of_a_table() {
        let figures = [
            Figure::new("pairs", "rate", 12_000.0, "msg/s").target(Some(Bound::AtLeast(10_000.0))),
            Figure::new("open", "p95", 1.5, "ms").target(Some(Bound::AtMost(1.0))),
        ];
        let expected = "\
scenario  figure      measured    target  specification  met
pairs     rate    12,000 msg/s  ≥ 10,000                 yes
open      p95          1.50 ms    ≤ 1.00                 NO
";
        assert_eq!(table(&figures), expected);
    }
}
