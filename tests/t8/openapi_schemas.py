"""OpenAPI 3.0 documents of 3GPP as JSON schemas, for jsonschema.

A document is read on first use. Converted, it is stricter than it stands there, since it judges what we write:

- an open enumeration (anyOf of an enum and any string) keeps the enum only;
- an object with properties takes no others;
- `nullable` becomes a type of null; readOnly members are refused in a request;
- Bytes must be base64, date-times RFC 3339.

Each document has four faces, by its URI: "closed:" and "open:" (a part of an allOf, anyOf or oneOf, whose siblings may
bring members of their own), each as well with "-request".
"""

import base64
import binascii
import datetime
import json
import pathlib
import re

import jsonschema
import referencing
import referencing.jsonschema
import yaml

SPECIFICATION = referencing.jsonschema.DRAFT202012
BRANCHES = ("allOf", "anyOf", "oneOf")
formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_date_time(value):
    if isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
            raise ValueError(value)
        datetime.datetime.fromisoformat(value)
    return True


@formats.checks("base64", raises=binascii.Error)
def is_base64(value):
    return not isinstance(value, str) or base64.b64decode(value, validate=True) is not None


class Schemas:
    """The documents of one folder: *.yaml of the specification, or *.json of our own with the same names."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.documents = {}
        self.validators = {}
        self.registry = referencing.Registry(retrieve=self.retrieve)

    def document(self, name):
        if name not in self.documents:
            path = self.folder / name
            if path.exists():
                self.documents[name] = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            else:
                self.documents[name] = json.loads(path.with_suffix(".json").read_text())
        return self.documents[name]

    def retrieve(self, uri):
        face, name = uri.split(":", 1)
        schemas = self.document(name)["components"]["schemas"]
        conversion = Conversion(self, name, face.endswith("-request"))
        converted = {key: conversion.schema(value, face.startswith("closed"), key) for key, value in schemas.items()}
        return referencing.Resource({"components": {"schemas": converted}}, SPECIFICATION)

    def resolve(self, reference, name):
        file, pointer = reference.split("#", 1)
        node = self.document(file or name)
        for part in pointer.strip("/").split("/"):
            node = node[part]
        return node

    def validator(self, reference, direction):
        """For "TS29122_NIDD.yaml#/components/schemas/RdsPort"; direction "request" refuses what is read-only."""
        key = reference, direction == "request"
        if key not in self.validators:
            face = "closed-request:" if key[1] else "closed:"
            self.validators[key] = jsonschema.Draft202012Validator(
                {"$ref": face + reference}, registry=self.registry, format_checker=formats
            )
        return self.validators[key]


class Conversion:
    def __init__(self, schemas, name, request):
        self.schemas = schemas
        self.name = name
        self.request = request

    def reference(self, target, closed):
        file, pointer = target.split("#", 1)
        face = ("closed" if closed else "open") + ("-request" if self.request else "")
        return f"{face}:{file or self.name}#{pointer}"

    def read_only(self, schema):
        if "$ref" in schema:
            schema = self.schemas.resolve(schema["$ref"], self.name)
        return schema.get("readOnly", False)

    def member(self, schema):
        return False if self.request and self.read_only(schema) else self.schema(schema, True)

    def schema(self, node, closed, key=None):
        if "$ref" in node:
            return {"$ref": self.reference(node["$ref"], closed)}
        if is_open_enum(node):
            return {"type": "string", "enum": node["anyOf"][0]["enum"]}
        out = {k: v for k, v in node.items() if k in KEPT}
        for branch in BRANCHES:
            if branch in node:
                out[branch] = [self.schema(s, False) for s in node[branch]]
        if "not" in node:
            out["not"] = self.schema(node["not"], False)
        if "items" in node:
            out["items"] = self.schema(node["items"], True)
        if isinstance(node.get("additionalProperties"), dict):
            out["additionalProperties"] = self.schema(node["additionalProperties"], True)
        elif "additionalProperties" in node:
            out["additionalProperties"] = node["additionalProperties"]
        if "properties" in node:
            out["properties"] = {k: self.member(v) for k, v in node["properties"].items()}
        if closed and ("properties" in node or "allOf" in node) and "additionalProperties" not in node:
            out["unevaluatedProperties"] = False
        if key == "Bytes" or node.get("format") == "byte":
            out["format"] = "base64"
        if node.get("nullable"):
            out = {"anyOf": [out, {"type": "null"}]}
        return out


KEPT = ("type", "enum", "required", "pattern", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "minLength",
        "maxLength", "minProperties", "maxProperties", "format")  # fmt: skip


def is_open_enum(node):
    choices = node.get("anyOf", ())
    if len(choices) != 2 or "enum" not in choices[0]:
        return False
    return choices[1].get("type") == "string" and "enum" not in choices[1]
