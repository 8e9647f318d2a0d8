import { div, input, label, option, p, select, span, textarea } from '../lib/dom.js';
import { duration } from '../lib/time.js';

/**
 * @typedef {object} FieldProps
 * @property {string} id
 * @property {string} name that people read
 * @property {string} [hint]
 * @property {string} [problem]
 *
 * A field with its label, hint and problem.
 * @param {FieldProps & {children: (attributes: object) => import('../lib/dom.js').VNode}} props
 */
function Field({ id, name, hint, problem, children }) {
  const more = problem ? `${id}-problem` : hint ? `${id}-hint` : undefined;
  return div(
    { class: 'field' },
    label({ for: id }, name),
    children({ id, name: id, 'aria-describedby': more, 'aria-invalid': problem ? 'true' : undefined }),
    problem ? p({ class: 'field-problem', id: `${id}-problem`, role: 'alert' }, problem) : hint && span({ class: 'hint', id: `${id}-hint` }, hint)
  );
}

/** @param {FieldProps & {value: string, onInput: (value: string) => void, lines?: number, [attribute: string]: any}} props */
export function TextField({ id, name, hint, problem, value, onInput, lines, ...more }) {
  const on = (/** @type {any} */ event) => onInput(event.currentTarget.value);
  return Field({
    ...{ id, name, hint, problem },
    children: (attributes) =>
      lines ? textarea({ class: 'input area', rows: lines, dir: 'auto', value, onInput: on, ...attributes, ...more }) : input({ class: 'input', type: 'text', dir: 'auto', value, onInput: on, ...attributes, ...more }),
  });
}

/** @param {FieldProps & {value: string, options: [string, string][], onChange: (value: string) => void}} props */
export const SelectField = ({ value, options, onChange, ...field }) =>
  Field({
    ...field,
    children: (attributes) =>
      select(
        { class: 'input', onChange: (event) => onChange(event.currentTarget.value), ...attributes },
        options.map(([key, text]) => option({ key, value: key, selected: key === value }, text))
      ),
  });

/** Lengths of time to choose from, in seconds. @returns {[string, string][]} */
export const durations = () => [3_600, 86_400, 7 * 86_400, 30 * 86_400].map((value) => [String(value), duration(value)]);

/** @param {{name: string, checked: boolean, onChange: (checked: boolean) => void}} props */
export const CheckField = ({ name, checked, onChange }) => label({ class: 'check' }, input({ type: 'checkbox', checked, onChange: (event) => onChange(event.currentTarget.checked) }), span(null, name));
