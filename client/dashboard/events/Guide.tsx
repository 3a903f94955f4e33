// What to do first, while there is nothing to see.

/** Three steps that show what Conductor does. */
export function Guide() {
  return (
    <div id="empty" className="guide">
      <p>No events yet: they appear here the moment they are published.</p>
      <ol>
        <li>
          Open the other link that the server printed, in a second window
          beside this one.
        </li>
        <li>
          Publish an event with the form, or by the <code>curl</code> line that
          the server printed.
        </li>
        <li>See it arrive in both, each as its role may see it.</li>
      </ol>
    </div>
  );
}
