//! What Ollama gives to a template: messages and tools as Go's structs.
//!
//! Source: Ollama 0.33, template/template.go (collate, templateTool, templateMessage).
//! Unlike there, {{ .Function }} and {{ .Function.Parameters }} of a tool print as JSON, as they did
//! before and as published templates want it.

use std::rc::Rc;

use serde_json::Value as Json;

use super::value::{Field, Omit, Print, Struct, Value};
use super::{json, DEEPEST_NESTING};

pub struct Message {
    pub role: String,
    pub content: String,
    value: Vec<Field>, // the others
}

pub fn text_of(object: &Json, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_string()
}

/// All system messages as one text, and the messages, neighbours of one role as one.
pub fn collate(messages: &Json) -> (String, Vec<Message>) {
    let mut system = Vec::new();
    let mut collated: Vec<Message> = Vec::new();
    for message in messages.as_array().map(Vec::as_slice).unwrap_or_default() {
        let (role, content) = (text_of(message, "role"), text_of(message, "content"));
        if role == "system" {
            system.push(content.clone());
        }
        match collated.last_mut() {
            Some(last) if last.role == role && role != "tool" => {
                last.content.push_str("\n\n");
                last.content.push_str(&content);
            }
            _ => collated.push(Message {
                role,
                content,
                value: rest_of(message),
            }),
        }
    }
    (system.join("\n\n"), collated)
}

fn field(name: &'static str, value: Value) -> Field {
    Field {
        name,
        json: name,
        omit: Omit::Never,
        value,
    }
}

fn tagged(name: &'static str, json: &'static str, omit: Omit, value: Value) -> Field {
    Field {
        name,
        json,
        omit,
        value,
    }
}

fn list(items: Vec<Value>) -> Value {
    let print = match items.is_empty() {
        true => Print::GoNull,
        false => Print::Go,
    };
    Value::List(Rc::new(items), print)
}

fn structure(name: &'static str, print: Print, fields: Vec<Field>) -> Value {
    Value::Struct(Rc::new(Struct {
        name,
        fields,
        print,
    }))
}

fn with_print(value: Value, print: Print) -> Value {
    match value {
        Value::Map(members, _) => Value::Map(members, print),
        other => other,
    }
}

fn rest_of(message: &Json) -> Vec<Field> {
    let either = |a, b| match message[a].as_str() {
        Some(text) => Value::text(text),
        None => Value::text(&text_of(message, b)),
    };
    let calls = message["tool_calls"].as_array().map(Vec::as_slice);
    let calls = calls
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(i, call)| {
            let function = &call["function"];
            let arguments = match &function["arguments"] {
                Json::Object(_) => with_print(json::read(&function["arguments"]), Print::Json),
                _ => Value::Map(Rc::new(Vec::new()), Print::Json),
            };
            let index = function["index"].as_i64().unwrap_or(i as i64);
            let function = vec![
                field("Index", Value::Int(index)),
                field("Name", Value::text(&text_of(function, "name"))),
                field("Arguments", arguments),
            ];
            structure(
                "ToolCall",
                Print::Go,
                vec![
                    field("ID", Value::text(&text_of(call, "id"))),
                    field(
                        "Function",
                        structure("ToolCallFunction", Print::Go, function),
                    ),
                ],
            )
        });
    vec![
        field("Thinking", either("reasoning_content", "thinking")),
        field("Images", list(Vec::new())),
        field("ToolCalls", list(calls.collect())),
        field("ToolName", either("name", "tool_name")),
        field("ToolCallID", Value::text(&text_of(message, "tool_call_id"))),
    ]
}

pub fn message_values(messages: Vec<Message>) -> Value {
    let values = messages.into_iter().map(|message| {
        let mut fields = vec![
            field("Role", Value::text(&message.role)),
            field("Content", Value::text(&message.content)),
        ];
        fields.extend(message.value);
        structure("Message", Print::Go, fields)
    });
    Value::List(Rc::new(values.collect()), Print::Go)
}

pub fn tools(tools: &Json) -> Result<Value, String> {
    let Some(tools) = tools.as_array() else {
        return Ok(Value::List(Rc::new(Vec::new()), Print::JsonNull));
    };
    let values: Result<Vec<Value>, String> = tools.iter().map(tool).collect();
    Ok(Value::List(Rc::new(values?), Print::Json))
}

fn tool(tool: &Json) -> Result<Value, String> {
    let function = &tool["function"];
    let parameters = &function["parameters"];
    let parameters = structure(
        "ToolFunctionParameters",
        Print::Json,
        vec![
            tagged(
                "Type",
                "type",
                Omit::Never,
                Value::text(&text_of(parameters, "type")),
            ),
            tagged("Defs", "$defs", Omit::Nil, json::read(&parameters["$defs"])),
            tagged(
                "Items",
                "items",
                Omit::Nil,
                json::read(&parameters["items"]),
            ),
            tagged(
                "Required",
                "required",
                Omit::Empty,
                json::read_list(&parameters["required"]),
            ),
            tagged(
                "Properties",
                "properties",
                Omit::Never,
                properties(&parameters["properties"], true, 0)?,
            ),
        ],
    );
    let function = structure(
        "ToolFunction",
        Print::Json,
        vec![
            tagged(
                "Name",
                "name",
                Omit::Never,
                Value::text(&text_of(function, "name")),
            ),
            tagged(
                "Description",
                "description",
                Omit::Never,
                Value::text(&text_of(function, "description")),
            ),
            tagged("Parameters", "parameters", Omit::Never, parameters),
        ],
    );
    Ok(structure(
        "Tool",
        Print::Json,
        vec![
            tagged(
                "Type",
                "type",
                Omit::Never,
                Value::text(&text_of(tool, "type")),
            ),
            tagged("Items", "items", Omit::Nil, json::read(&tool["items"])),
            tagged("Function", "function", Omit::Never, function),
        ],
    ))
}

/// Those of the parameters are a map to Go, whose keys it sorts; those further in keep their order.
fn properties(properties: &Json, sorted: bool, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST_NESTING {
        return Err("the tools are nested too deeply".into());
    }
    let Some(members) = properties.as_object() else {
        return Ok(Value::Nil);
    };
    let mut values = Vec::new();
    for (name, member) in members {
        values.push((name.clone(), property(member, depth)?));
    }
    if sorted {
        values.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    }
    Ok(Value::Map(Rc::new(values), Print::Json))
}

fn property(property: &Json, depth: usize) -> Result<Value, String> {
    let types = match &property["type"] {
        Json::String(one) => Value::text(one),
        Json::Array(several) if several.len() == 1 => json::read(&several[0]),
        Json::Array(several) if !several.is_empty() => json::read(&property["type"]),
        _ => Value::text(""),
    };
    let any_of = property["anyOf"].as_array().map(Vec::as_slice);
    let any_of: Result<Vec<Value>, String> = any_of
        .unwrap_or_default()
        .iter()
        .map(|one| self::property_within(one, depth))
        .collect();
    Ok(structure(
        "ToolProperty",
        Print::Json,
        vec![
            tagged("AnyOf", "anyOf", Omit::Empty, list(any_of?)),
            tagged("Type", "type", Omit::Empty, types),
            tagged("Items", "items", Omit::Nil, json::read(&property["items"])),
            tagged(
                "Description",
                "description",
                Omit::Empty,
                Value::text(&text_of(property, "description")),
            ),
            tagged(
                "Enum",
                "enum",
                Omit::Empty,
                json::read_list(&property["enum"]),
            ),
            tagged(
                "Properties",
                "properties",
                Omit::Nil,
                properties(&property["properties"], false, depth + 1)?,
            ),
            tagged(
                "Required",
                "required",
                Omit::Empty,
                json::read_list(&property["required"]),
            ),
        ],
    ))
}

fn property_within(one: &Json, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST_NESTING {
        return Err("the tools are nested too deeply".into());
    }
    property(one, depth + 1)
}
