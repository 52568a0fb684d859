//! Settings of a subcommand: --set, --settings, the subcommand's own options, --print-settings, --help-settings.
use std::path::PathBuf;

use serde_json::{Map, Value};
use tomocut::settings::{over, resolve, rows, Settings};

use crate::exit::{Exit, Failure, OrExit};
use crate::output::print;

#[derive(Debug, Default, clap::Args)]
pub struct SettingsArguments {
    /// Change any setting; VALUE is JSON or plain text. May be given again
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Settings from a JSON file, before --set and the options here
    #[arg(long = "settings", value_name = "FILE")]
    file: Option<PathBuf>,
    /// List all settings: default, what is allowed, meaning
    #[arg(long)]
    pub help_settings: bool,
    /// Print the resulting settings as JSON for --settings
    #[arg(long)]
    pub print_settings: bool,
}

/// What the user gave, by the settings' names.
#[derive(Default)]
pub struct Given {
    members: Map<String, Value>,
    /// Names that --set gave.
    set: Vec<String>,
}

impl SettingsArguments {
    /// What the file and --set give.
    pub fn given(&self) -> Result<Given, Failure> {
        self.add_to(Given {
            members: self.file_members()?,
            ..Given::default()
        })
    }

    /// The same over what the settings of the family `S` in `first` give.
    pub fn given_over<S: Settings>(&self, first: &std::path::Path) -> Result<Given, Failure> {
        let members = over(grouped(first)?, &self.file_members()?, S::WHOLE);
        self.add_to(Given {
            members,
            ..Given::default()
        })
    }

    fn file_members(&self) -> Result<Map<String, Value>, Failure> {
        self.file.as_deref().map_or_else(|| Ok(Map::new()), grouped)
    }

    fn add_to(&self, mut given: Given) -> Result<Given, Failure> {
        for text in &self.set {
            let (name, value) = text
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| Failure::usage(format!("--set is \"{text}\", must be NAME=VALUE")))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            insert(&mut given.members, name, value);
            given.set.push(name.to_owned());
        }
        Ok(given)
    }

    /// The settings; None where they, or their list, were asked for and have been printed.
    pub fn resolve<S: Settings>(&self, given: Given) -> Result<Option<S>, Failure> {
        if self.help_settings {
            print(&list::<S>()?)?;
            return Ok(None);
        }
        let settings: S = given.resolve()?;
        if self.print_settings {
            let text = serde_json::to_string_pretty(&settings);
            print(&(text.map_err(|error| Failure::new(Exit::Failed, error.to_string()))? + "\n"))?;
            return Ok(None);
        }
        Ok(Some(settings))
    }
}

impl Given {
    /// The setting `name`, where an option of the program gave it.
    pub fn option<V: Into<Value>>(&mut self, option: &str, name: &str, value: Option<V>) -> Result<(), Failure> {
        let Some(value) = value else { return Ok(()) };
        if self.set.iter().any(|set| set == name) {
            return Err(Failure::usage(format!(
                "{name} is given by {option} and by --set, must be given once"
            )));
        }
        insert(&mut self.members, name, value.into());
        Ok(())
    }

    /// A yes, where the option is given.
    pub fn flag(&mut self, option: &str, name: &str, is_given: bool) -> Result<(), Failure> {
        self.option(option, name, is_given.then_some(true))
    }

    /// A group of settings that is there, with its defaults, where nothing else is said of it.
    pub fn group(&mut self, name: &str) {
        let group = self.members.entry(name).or_insert(Value::Null);
        if group.is_null() {
            *group = Value::Object(Map::new());
        }
    }

    /// Whether the user gave this setting.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether the user gave this setting this value.
    pub fn is(&self, name: &str, value: &Value) -> bool {
        self.value(name) == Some(value)
    }

    /// A number that the user gave; 0 where he did not.
    pub fn number(&self, name: &str) -> f64 {
        self.value(name).and_then(Value::as_f64).unwrap_or(0.0)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let first = self.members.get(parts.next()?);
        parts.fold(first, |value, part| value?.get(part))
    }

    /// All of it over the preset's.
    pub fn resolve<S: Settings>(self) -> Result<S, Failure> {
        resolve(self.members).or_exit(Exit::Usage)
    }
}

/// Sets "a.b.c" in groups within groups; what was there is replaced.
fn insert(members: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            members.insert(name.to_owned(), value);
        }
        Some((group, rest)) => {
            let group = members.entry(group).or_insert(Value::Null);
            if !group.is_object() {
                *group = Value::Object(Map::new());
            }
            if let Value::Object(inner) = group {
                insert(inner, rest, value);
            }
        }
    }
}

/// The JSON object in a file, names with dots as members of groups.
fn grouped(path: &std::path::Path) -> Result<Map<String, Value>, Failure> {
    let mut members = Map::new();
    for (name, value) in read_object(path)? {
        insert(&mut members, &name, value);
    }
    Ok(members)
}

/// The JSON object in a file.
pub fn read_object(path: &std::path::Path) -> Result<Map<String, Value>, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::BadInput, format!("reading {name}: {error}")))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Failure::usage(format!("{name}: must be a JSON object"))),
        Err(error) => Err(Failure::usage(format!("{name}: must be a JSON object: {error}"))),
    }
}

/// All settings of a family for the terminal.
fn list<S: Settings>() -> Result<String, Failure> {
    let mut text = format!("Settings of the family {}, for --set and --settings", S::FAMILY);
    if !S::PRESETS.is_empty() {
        text += &format!("; presets: {}", S::PRESETS.join(", "));
    }
    text += "\n";
    for row in rows::<S>().or_exit(Exit::Failed)? {
        text += &match row.default.as_str() {
            "" => format!("\n{}.*\n", row.name),
            "-" => format!("\n{}  ({}; not given)\n", row.name, row.allowed.replace('`', "")),
            default => format!(
                "\n{}  ({}; default {default})\n",
                row.name,
                row.allowed.replace('`', "")
            ),
        };
        for line in wrapped(&row.meaning, 92) {
            text += &format!("    {line}\n");
        }
    }
    Ok(text)
}

/// Lines of at most `width` characters, unless a word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_groups_and_the_last_one_counts() {
        let mut members = Map::new();
        insert(&mut members, "schedule", serde_json::json!({"steps": 1, "rate": 2}));
        insert(&mut members, "schedule.steps", serde_json::json!(7));
        insert(&mut members, "seed", serde_json::json!(3));
        assert_eq!(
            Value::Object(members),
            serde_json::json!({"schedule": {"steps": 7, "rate": 2}, "seed": 3})
        );
    }

    #[test]
    fn long_meanings_are_wrapped() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert!(wrapped("", 7).is_empty());
    }
}
