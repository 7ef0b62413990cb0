/** Keeps a fault in one part of the page from taking the rest along. */
import { Component, type ComponentChildren } from 'preact';

export class Boundary extends Component<{ readonly what: string; readonly children: ComponentChildren }, { readonly failed: boolean }> {
  override state = { failed: false };

  override componentDidCatch(): void {
    this.setState({ failed: true });
  }

  render(): ComponentChildren {
    return this.state.failed ? <p class="notice" role="alert">{this.props.what} cannot be shown: the report’s data are not as expected.</p> : this.props.children;
  }
}
