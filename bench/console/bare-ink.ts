/** The least that a console built on Ink can take to start: one text, and the end. */
import { render, Text } from 'ink';
import { createElement } from 'react';

render(createElement(Text, null, 'ready'), { alternateScreen: true, interactive: true }).unmount();
