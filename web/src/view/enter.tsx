// Owns how the form looks through which a person enters. A real form with the names that password managers know.
// Drawn by `app.tsx`. The model checks the fields.

import { useLayoutEffect, useRef } from "preact/hooks";
import { isFirstTime, type Field, type Form } from "../model/form.ts";
import type { Model } from "../model/model.ts";
import { say, ui } from "../sentences.ts";
import { COLOURS } from "../wire/name.ts";
import { nameColours } from "./colours.ts";
import { Themes } from "./head.tsx";
import { Visible, type Send } from "./parts.tsx";
import { Trouble } from "./trouble.tsx";

export function Enter({ model, form, send }: { model: Model; form: Form; send: Send }) {
  const box = useRef<HTMLFormElement>(null);
  const isRelay = model.host.kind === "relay";
  const isNew = isFirstTime(form);
  // The relay trusts no server yet, and nobody has done anything wrong.
  const isFirst = isRelay && !form.tried && model.host.verified === "browser";
  // The field that a refusal is about gets the focus, and so does the first one at the start. A reader who types stays there.
  useLayoutEffect(() => {
    if (form.field === undefined && document.activeElement instanceof HTMLInputElement) return;
    const name = form.field ?? (isRelay && form.server === "" ? "server" : form.name === "" ? "name" : "password");
    const field = box.current?.elements.namedItem(names[name]);
    if (!(field instanceof HTMLInputElement) || form.trying) return;
    field.focus();
    // A line that was wrong is replaced by the next one that is pasted. Its beginning says which one it is.
    if (form.field === "server") {
      field.select();
      field.scrollLeft = 0;
    }
  }, [form.field, form.trying]);
  const set = (field: Field) => (e: { currentTarget: HTMLInputElement }) =>
    send({ kind: "form", field, value: e.currentTarget.value });
  const wrong = (field: Field) => (form.field === field ? { "aria-invalid": true, "aria-describedby": "problem" } as const : {});
  return (
    <main class="enter">
      <form ref={box} aria-labelledby="title" onSubmit={(e) => { e.preventDefault(); send({ kind: "log-in" }); }}>
        <h1 id="title">{say.product}</h1>
        <p class="where">{isRelay ? ui.enter : <Visible text={model.host.server} />}</p>
        {form.problem.length === 0 ? null
          : isFirst ? <Trouble lines={form.problem} tone="hint" lead={ui.firstVisit} />
          : <Trouble lines={form.problem} tone="alert" />}
        <label>{isRelay ? ui.server : ui.invite}
          <input name={names.server} value={form.server} onInput={set("server")} autocomplete="url" autocapitalize="off"
            spellcheck={false} inputMode="url" {...wrong("server")} />
        </label>
        <label>{ui.name}
          <input name={names.name} value={form.name} onInput={set("name")} autocomplete="username" autocapitalize="off"
            spellcheck={false} maxLength={64} required {...wrong("name")} />
        </label>
        <Colours form={form} send={send} />
        <label>{isNew ? ui.newPassword : ui.password}
          <input name={names.password} type="password" value={form.password} onInput={set("password")}
            autocomplete={isNew ? "new-password" : "current-password"} {...wrong("password")} />
          {isNew ? null : <small>{ui.passwordHint}</small>}
        </label>
        <label class="switch"><input type="checkbox" checked={form.remember}
          onChange={(e) => send({ kind: "remember", on: e.currentTarget.checked })} />
          <span>{ui.remember}<small>{ui.rememberHint}</small></span></label>
        <button type="submit" class="primary" disabled={form.trying}>{form.trying ? ui.loggingIn : ui.logIn}</button>
      </form>
      <footer><Themes model={model} send={send} /></footer>
    </main>
  );
}

const names: { [field in Field]: string } = { server: "server", name: "username", color: "color", password: "password" };

/** The six colours of the wire, and any other. The name is shown in the colour as others will see it. */
function Colours({ form, send }: { form: Form; send: Send }) {
  const isWord = form.color === "" || COLOURS.some((one) => one === form.color);
  const set = (value: string) => send({ kind: "form", field: "color", value });
  return (
    <fieldset class="colours">
      <legend>{ui.colour}</legend>
      {["", ...COLOURS].map((word) => {
        const { light, dark } = nameColours(form.name, word);
        return (
          <label key={word} title={word === "" ? ui.noColour : word}>
            <input type="radio" name="color" checked={form.color === word} onChange={() => set(word)} />
            <span class={word === "" ? "swatch none" : "swatch"} style={{ "--light": light, "--dark": dark }} aria-hidden="true" />
            <span class="sr">{word === "" ? ui.noColour : word}</span>
          </label>
        );
      })}
      <input type="color" class={isWord ? "other" : "other current"} aria-label={ui.ownColour} title={ui.ownColour}
        value={isWord ? "#888888" : form.color} onInput={(e) => set(e.currentTarget.value)} />
    </fieldset>
  );
}
