// Responses of remote servers, for administrators only. Results and errors are also visible to the user of the task.
migrate(
  (app) => {
    const queue = app.findCollectionByNameOrId('global_queue');
    queue.fields.add(new TextField({ name: 'answer', hidden: true, max: 10000 }));
    app.save(queue);
    // Moves the response out of existing results, and removes it from the end of existing error messages.
    app
      .db()
      .newQuery(
        "UPDATE global_queue SET answer = result ->> '$.body', result = json_remove(result, '$.body') " +
          "WHERE type = 'http.request' AND json_valid(result) AND json_type(result, '$.body') = 'text'",
      )
      .execute();
    app
      .db()
      .newQuery(
        'UPDATE global_queue SET ' +
          "error_signature = iif(instr(error_signature, ' answered #') = 0, error_signature, " +
          "substr(error_signature, 1, instr(error_signature, ' answered #') + 10)), " +
          "errors = (SELECT json_group_array(json(iif(instr(value ->> '$.message', ' answered ') = 0, value, " +
          "json_set(json_remove(value, '$.stack'), '$.message', " +
          "substr(value ->> '$.message', 1, instr(value ->> '$.message', ' answered ') + 12))))) FROM json_each(errors)) " +
          "WHERE type = 'http.request' AND json_valid(errors) AND json_type(errors) = 'array'",
      )
      .execute();
  },
  (app) => {
    const queue = app.findCollectionByNameOrId('global_queue');
    queue.fields.removeByName('answer');
    app.save(queue);
  },
);
