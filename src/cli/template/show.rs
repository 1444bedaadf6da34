//! `template show`: what a template says, who may use it, and who was made from it.

use std::io::Write;

use serde_json::{Value, json};

use super::{Configuration, is_behind, made_from};
use crate::audit::Text;
use crate::cli::problems::counted;
use crate::cli::{CliError, Output, Status};
use crate::config::templates::Template;
use crate::model::binding::Binding;

/// `template show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
    /// The template, by its name in the configuration.
    #[arg(value_name = "NAME")]
    name: String,
    /// At most so many of its clients, those that were registered last.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows one template; [`Status::Bad`] when there is none of this name.
///
/// # Errors
/// A configuration or ledger that cannot be read, an output that cannot be written.
pub(super) fn show(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let (settings, reader) = arguments.configuration.load()?;
    let Some(written) = settings.templates.get(&arguments.name) else {
        match arguments.output {
            Output::Json => writeln!(out, "{:#}", json!({ "found": false }))?,
            Output::Text => writeln!(out, "no template has this name: `dcrgate template list` tells which there are")?,
        }
        return Ok(Status::Bad);
    };
    let made = made_from(&reader, &arguments.name, arguments.limit)?;
    match arguments.output {
        Output::Json => writeln!(out, "{:#}", told(&arguments.name, written, &made))?,
        Output::Text => page(&arguments.name, written, &made, out)?,
    }
    Ok(Status::Good)
}

fn told(name: &str, written: &Template, made: &[Binding]) -> Value {
    let template = &written.template;
    let clients: Value = made
        .iter()
        .map(|binding| {
            json!({
                "upstream": binding.upstream, "client_id": binding.client_id, "registered": binding.registered,
                "behind": is_behind(binding, &template.digest),
                "own": binding.template.as_ref().map(|made| &made.own),
            })
        })
        .collect();
    json!({
        "name": name, "file": written.file, "id": template.id, "version": template.version, "title": template.title,
        "mode": template.mode.as_str(), "software_id": template.software_id, "sha256": template.digest,
        "token_scope": template.token_scope, "authorities": written.authorities, "instance": template.instance,
        "metadata": template.metadata, "clients": clients,
    })
}

fn page(name: &str, written: &Template, made: &[Binding], out: &mut dyn Write) -> std::io::Result<()> {
    let template = &written.template;
    let authorities: Vec<&str> = written.authorities.iter().map(|authority| authority.as_str()).collect();
    let rows = [
        ("Template", format!("{name}  {}", template.title)),
        ("Version", format!("{} {}", template.id, template.version)),
        ("File", format!("{}  {}", written.file, template.digest)),
        ("Named by", format!("software_id {}", template.software_id)),
        ("Mode", template.mode.as_str().to_owned()),
        ("Token", template.token_scope.clone().unwrap_or_default()),
        ("Authorities", authorities.join(", ")),
        ("Instances say", template.instance.join(", ")),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<14}{}", Text::long(value))?;
    }
    for (name, value) in &template.metadata {
        writeln!(out, "  {} = {}", Text::new(name), Text::long(&value.to_string()))?;
    }
    writeln!(out, "\n{} made from it:", counted(made.len(), "client was", "clients were"))?;
    for binding in made {
        let state = if is_behind(binding, &template.digest) { "behind" } else { "as it says" };
        let (client, upstream) = (Text::new(&binding.client_id), Text::new(&binding.upstream));
        writeln!(out, "  {client} of {upstream}, registered {}: {state}", binding.registered)?;
    }
    Ok(())
}
